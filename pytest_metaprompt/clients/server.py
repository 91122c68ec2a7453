"""A model server behind HTTP: its address and key, and one call to it that is tried again where there is hope."""

from __future__ import annotations

import asyncio
import json
import os
import random
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol
from weakref import WeakKeyDictionary

from pytest_metaprompt.clients.address import read_address
from pytest_metaprompt.clients.calls import (
    CALLS_KEY,
    RETRIES_KEY,
    TOKENS_KEY,
    CancelledCallError,
    one_line,
    time_limit,
    whole_number,
)
from pytest_metaprompt.clients.completions import error_text, read_usage
from pytest_metaprompt.clients.connection import HttpAnswer, NoAnswerError
from pytest_metaprompt.clients.http import Http, open_http, post
from pytest_metaprompt.clients.pace import Paces, Turn, beyond
from pytest_metaprompt.clients.rate import Rate
from pytest_metaprompt.clients.rate_headers import retry_after_s
from pytest_metaprompt.errors import BudgetExhaustedError, CallNotMadeError, ModelCallError
from pytest_metaprompt.results import Reply, Request
from pytest_metaprompt.suites import Json, ModelSpec

DEFAULT_TIMEOUT_S = 120.0
"""How long a call may take, its retries included, where `timeout_s` does not say otherwise."""

DEFAULT_RETRIES = 2
"""How often a failed call is made again where `max_retries` does not say otherwise. Rate limits are waited out."""

FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 8.0

_SPENT = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")


class ReadReply(Protocol):
    """Makes a reply of the JSON that a server answered with. Raises `ModelCallError` where it is none."""

    def __call__(self, value: object, /, *, latency_s: float) -> Reply:
        """The reply; `latency_s` goes into it."""


@dataclass(slots=True)
class _Tries:
    """One question on its way: when it must be answered, how often it was asked, and what came of it last."""

    request: Request
    payload: bytes
    deadline: float
    limit_s: float
    most: int | None
    done: int = 0
    trouble: str = ""

    @property
    def retries(self) -> int:
        return max(0, self.done - 1)


class ModelServer:
    """Makes calls to the server of a model, and keeps its key out of every message.

    Rate limits are waited out as long as `timeout_s` allows, or `max_retries` where it is set. Other errors of the
    server and broken connections are tried again `max_retries` times, after a random wait that grows.
    """

    def __init__(self, spec: ModelSpec, *, environ: Mapping[str, str] = os.environ, paces: Paces | None = None) -> None:
        """The server of a model.

        Raises:
            SetupError: There is no key, and no base URL of a server that may need none; or the URL is none; or
                `calls_per_minute` or `tokens_per_minute` is no number.
        """
        self._address = address = read_address(spec, environ)
        paces = paces or Paces()
        self._pace = paces.of((address.base_url, address.key))
        self._rates, self._token_rate = _rates(paces, (address.base_url, address.key, spec.name), spec.params)
        self._random = random.Random()
        self._https: WeakKeyDictionary[asyncio.AbstractEventLoop, Http] = WeakKeyDictionary()

    async def call(self, path: str, body: Mapping[str, Json], request: Request, read: ReadReply) -> Reply:
        """The reply that `read` finds in the server's answer to a body sent to a path under the base URL.

        Raises:
            ModelCallError: There was no usable answer in time; the message is one line.
            SetupError: `timeout_s` or `max_retries` is no number.
        """
        limit_s = time_limit(request, default=DEFAULT_TIMEOUT_S) or DEFAULT_TIMEOUT_S
        most = whole_number({**request.model.params, **request.params}, RETRIES_KEY, least=0)
        tries = _Tries(request, b"", 0.0, limit_s, most)
        try:
            tries.payload = json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
            value, latency_s = await self._call(self._address.url(path), tries)
            return replace(read(value, latency_s=latency_s), retries=tries.retries)
        except asyncio.CancelledError:
            raise CancelledCallError(made=tries.done) from None
        except ModelCallError as error:
            raise self._told(tries, error) from None
        except Exception as error:  # the fence around the model call
            raise self._told(tries, ModelCallError(f"{type(error).__name__}: {error}")) from None

    async def close(self) -> None:
        """Closes the connections that were opened in the running event loop."""
        http = self._https.pop(asyncio.get_running_loop(), None)
        if http is not None:
            await http.close()

    async def _call(self, url: str, tries: _Tries) -> tuple[object, float]:
        # The first turn is waited for outside of the limit: how long the queue is, is not the server's doing.
        size = len(tries.payload) // 4 if self._token_rate else 0
        turn = await self._pace.enter(self._rates, size=size, patience_s=tries.limit_s)
        tries.deadline = self._pace.clock.now() + tries.limit_s
        try:
            async with asyncio.timeout(tries.limit_s):
                while True:
                    tries.done += 1
                    answered = await self._try(url, tries, turn)
                    if answered is not None:
                        return answered
                    _check_room(tries)
                    turn = await self._pace.enter(self._rates, size=size, again=True)
        except TimeoutError:
            last = f"; the last answer was {tries.trouble}" if tries.trouble else ""
            raise ModelCallError(f"timed out after {tries.limit_s:g} s{last}") from None

    async def _try(self, url: str, tries: _Tries, turn: Turn) -> tuple[object, float] | None:
        """The answer; None when the call failed, the wait after it is over, and it may be made again."""
        began = asyncio.get_running_loop().time()
        try:
            answer = await post(self._http(), url, self._address.headers, tries.payload)
        except ssl.SSLCertVerificationError as error:
            raise ModelCallError(f"no trusted connection to {self._address.shown}: {error.verify_message}") from None
        except NoAnswerError as error:
            trouble = ModelCallError(f"no answer from {self._address.shown}: {error}")
            wait_s, why = self._backoff_s(tries), "no answer"
        else:
            self._pace.heard(answer.headers)
            if answer.status < 300:
                self._pace.succeeded()
                value = _read_json(self._text_of(answer), answer)
                self._settle(tries, value)
                return value, asyncio.get_running_loop().time() - began
            trouble, wait_s, why = self._after(answer, tries, turn)
        finally:
            self._pace.leave()
        await self._wait_or_give_up(tries, trouble, wait_s, why)
        return None

    def _after(self, answer: HttpAnswer, tries: _Tries, turn: Turn) -> tuple[ModelCallError, float, str]:
        """What an error answer means: the error, how long to wait before another try, and what to call the wait.

        Raises:
            ModelCallError: There is no use in another try.
        """
        body = _read_error(self._text_of(answer))
        trouble = ModelCallError(f"{answer.status}: {error_text(body) if body else '(no body)'}", status=answer.status)
        if answer.status == 401:
            trouble = ModelCallError(f"401: {self._address.about_key()}")
            self._pace.refuse(trouble.message)
        elif answer.status == 429 and _is_spent(body):
            self._pace.refuse(trouble.message)
        elif _may_try_again(answer):
            asked_s = retry_after_s(answer.headers, date=self._pace.clock.date())
            if answer.status == 429:
                self._pace.overdone(turn, wait_s=asked_s)
            return trouble, self._backoff_s(tries) if asked_s is None else asked_s, str(answer.status)
        elif 300 <= answer.status < 400:
            trouble = ModelCallError(f"{answer.status}: the server wants to be asked elsewhere; check the base_url")
        raise trouble

    async def _wait_or_give_up(self, tries: _Tries, trouble: ModelCallError, wait_s: float, why: str) -> None:
        tries.trouble = trouble.message
        most = tries.most if tries.most is not None else (None if why == "429" else DEFAULT_RETRIES)
        if most is not None and tries.done > most:
            raise trouble
        if self._pace.clock.now() + wait_s > tries.deadline:
            raise ModelCallError(beyond(trouble.message, wait_s, tries.limit_s))
        if wait_s > 0:
            await self._pace.sleep(wait_s, why)

    def _backoff_s(self, tries: _Tries) -> float:
        """Exponential backoff with full jitter, so that calls that failed together do not come back together."""
        longest: float = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(tries.retries, 10))
        return self._random.uniform(0, longest)

    def _settle(self, tries: _Tries, value: object) -> None:
        if self._token_rate is not None:
            usage = read_usage(value.get("usage") if isinstance(value, Mapping) else None)
            used = usage.input_tokens + usage.output_tokens
            self._token_rate.settle(self._pace.clock.now(), expected=len(tries.payload) // 4, used=used)

    def _told(self, tries: _Tries, error: ModelCallError) -> ModelCallError:
        said = one_line(self._address.without_secrets(error.message))
        if tries.done > 1:
            said += f" (tried {tries.done} times)"
        kind = CallNotMadeError if isinstance(error, CallNotMadeError) and tries.done == 0 else ModelCallError
        return kind(f"{tries.request.model}: {said}", retries=tries.retries, status=error.status)

    def _text_of(self, answer: HttpAnswer) -> str:
        """The body, without the secrets that a server repeats: what is not read can neither be shown nor stored."""
        return self._address.without_secrets(answer.body.decode("utf-8", errors="replace"))

    def _http(self) -> Http:
        """The connections of the running event loop; they cannot be used from another."""
        loop = asyncio.get_running_loop()
        if loop not in self._https:
            self._https[loop] = open_http()
        return self._https[loop]


def _check_room(tries: _Tries) -> None:
    """Returns if the call may be made again.

    Raises:
        ModelCallError: A budget has no room for that; it tells what went wrong, too.
    """
    try:
        if tries.request.before_retry is not None:
            tries.request.before_retry()
    except BudgetExhaustedError as error:
        raise ModelCallError(f"{tries.trouble}; not asked again: {error}") from None


class ServedClient:
    """What the clients have in common that ask a model server."""

    def __init__(self, spec: ModelSpec, *, environ: Mapping[str, str] = os.environ, paces: Paces | None = None) -> None:
        """A client for the server of a model; `paces` is shared by the clients that ask the same servers.

        Raises:
            SetupError: A key or an address is missing or wrong.
        """
        self._server = ModelServer(spec, environ=environ, paces=paces)

    async def close(self) -> None:
        """Closes the connections that were opened in the running event loop."""
        await self._server.close()


def _rates(paces: Paces, model: object, params: Mapping[str, Json]) -> tuple[tuple[Rate, ...], Rate | None]:
    calls = whole_number(params, CALLS_KEY, least=1)
    tokens = whole_number(params, TOKENS_KEY, least=1)
    call_rate = paces.rate(model, CALLS_KEY, calls, by_size=False) if calls is not None else None
    token_rate = paces.rate(model, TOKENS_KEY, tokens, by_size=True) if tokens is not None else None
    return tuple(rate for rate in (call_rate, token_rate) if rate is not None), token_rate


def _read_json(text: str, answer: HttpAnswer) -> object:
    """The value of the body's text.

    Raises:
        ModelCallError: It is not JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        if "json" in answer.headers.get("content-type", "json"):
            raise ModelCallError(f"the reply is not valid JSON: {text or '(no body)'}") from None
        raise ModelCallError(f"the reply is not a JSON object: {text or '(no body)'}") from None


def _read_error(text: str) -> object:
    """The body of an error, read as JSON where it is that."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _is_spent(body: object) -> bool:
    error = body.get("error") if isinstance(body, Mapping) else None
    return isinstance(error, Mapping) and (error.get("code") in _SPENT or error.get("type") in _SPENT)


def _may_try_again(answer: HttpAnswer) -> bool:
    said = answer.headers.get("x-should-retry")
    if said in ("true", "false"):
        return said == "true"
    return answer.status in (408, 409, 429) or answer.status >= 500
