"""`openai:`, Chat Completions of OpenAI and of every server that speaks the same."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from openai import APIConnectionError, APIStatusError, AsyncOpenAI

from pytest_metaprompt.clients.calls import one_line, sent_messages, sent_params, time_limit
from pytest_metaprompt.clients.completions import error_text, read_completion
from pytest_metaprompt.errors import ModelCallError, SetupError
from pytest_metaprompt.results import Reply, Request
from pytest_metaprompt.suites import Json, ModelSpec

DEFAULT_TIMEOUT_S = 120.0
"""How long a call may take, its retries included, where `timeout_s` does not say otherwise."""

_NO_KEY = "unused"  # The SDK insists on a key; servers that need none ignore it.


class ReadReply(Protocol):
    """Makes a reply of the JSON that a server answered with. Raises `ModelCallError` where it is none."""

    def __call__(self, value: object, /, *, latency_s: float) -> Reply:
        """The reply; `latency_s` goes into it."""


class OpenAIClient:
    """Asks a Chat Completions server. Only what the user set is sent, and the key never shows in a message.

    Rate limits, server errors and broken connections are tried three times in all.
    """

    def __init__(self, spec: ModelSpec, *, environ: Mapping[str, str] = os.environ) -> None:
        """A client for the server of a model.

        Raises:
            SetupError: There is no key, and no base URL of a server that may need none; or the URL is none.
        """
        self._base_url = _read_base_url(spec, environ)
        self._key_name = spec.api_key_env or "OPENAI_API_KEY"
        self._key = _read_key(spec, self._key_name, environ, needed=self._base_url is None)
        self._sdks: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncOpenAI] = WeakKeyDictionary()

    async def ask(self, request: Request) -> Reply:
        """The server's reply.

        Raises:
            ModelCallError: There was no usable reply in time.
            SetupError: `timeout_s` is no number of seconds.
        """
        body = {**sent_params(request), "model": request.model.name, "messages": sent_messages(request)}
        return await self.call("/chat/completions", body, request, read_completion)

    async def call(self, path: str, body: Mapping[str, Json], request: Request, read: ReadReply) -> Reply:
        """The reply that `read` finds in the server's answer to a body sent to a path under the base URL.

        Raises:
            ModelCallError: There was no usable answer in time.
            SetupError: `timeout_s` is no number of seconds.
        """
        limit = time_limit(request, default=DEFAULT_TIMEOUT_S)
        began = time.perf_counter()
        try:
            async with asyncio.timeout(limit):
                answer = await self._sdk().post(path, cast_to=object, body=body)
            return read(answer, latency_s=time.perf_counter() - began)
        except TimeoutError:
            raise ModelCallError(f"{request.model}: timed out after {limit:g} s") from None
        except Exception as error:  # the fence around the model call
            raise ModelCallError(f"{request.model}: {one_line(self._without_key(self._explain(error)))}") from None

    async def close(self) -> None:
        """Closes the connections that were opened in the running event loop."""
        sdk = self._sdks.pop(asyncio.get_running_loop(), None)
        if sdk is not None:
            await sdk.close()

    def _sdk(self) -> AsyncOpenAI:
        """The SDK's client for the running event loop; its connections cannot be used from another."""
        loop = asyncio.get_running_loop()
        if loop not in self._sdks:
            # No timeout of the SDK's own: it would try again, while ours ends the whole call.
            self._sdks[loop] = AsyncOpenAI(
                api_key=self._key or _NO_KEY, base_url=self._base_url, max_retries=2, timeout=None
            )
        return self._sdks[loop]

    def _explain(self, error: Exception) -> str:
        match error:
            case APIStatusError(status_code=401):
                return f"401: {self._about_key()}"
            case APIStatusError():
                said = error_text(error.body) if error.body else "(no body)"
                return f"{error.status_code}: {said}"
            case APIConnectionError():
                return f"no answer from {self._server()}: {error.__cause__ or error}"
            case ModelCallError():
                return error.message
            case json.JSONDecodeError():
                return f"the reply is not valid JSON: {error.doc or '(no body)'}"
            case _:
                return f"{type(error).__name__}: {error}"

    def _about_key(self) -> str:
        if self._key is None:
            return f"the server wants a key; type: export {self._key_name}=..."
        return f"the server did not accept the key in {self._key_name}"

    def _server(self) -> str:
        """Where the call went, without what a URL may hold in secrets."""
        url = urlsplit(self._base_url or "https://api.openai.com/v1")
        return f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}"

    def _without_key(self, text: str) -> str:
        return text if self._key is None else text.replace(self._key, "***")


def _read_base_url(spec: ModelSpec, environ: Mapping[str, str]) -> str | None:
    url = spec.base_url or environ.get("OPENAI_BASE_URL", "").strip() or None
    if url is not None and not url.startswith(("http://", "https://")):
        raise SetupError(f"{spec}: the base URL {url!r} does not start with http:// or https://")
    return url


def _read_key(spec: ModelSpec, name: str, environ: Mapping[str, str], *, needed: bool) -> str | None:
    key = environ.get(name, "").strip()
    if not key and needed:
        raise SetupError(f"{spec} needs a key, and {name} is not set", hint=f"type: export {name}=...")
    if not (key.isascii() and key.isprintable()):
        raise SetupError(f"{name} holds characters that no key has", hint=f"type: export {name}=...")
    return key or None
