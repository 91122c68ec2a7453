"""Hard caps on what calls may use."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from pytest_metaprompt.clients.calls import sent_params
from pytest_metaprompt.clients.prices import CostOf, is_free, price_hint
from pytest_metaprompt.errors import BudgetExhaustedError, CallNotMadeError, ModelCallError, SetupError
from pytest_metaprompt.protocols import Client
from pytest_metaprompt.results import Reply, Request, Usage

_BYTES_PER_TOKEN = 3
_TOKENS_PER_MESSAGE = 4
_OUTPUT_CAPS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
_ROUNDING = 1e-9

Room = Literal["now", "later", "never"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a call is expected to use at most. `output_tokens` is None where the request sets no limit; then a first
    reply is expected to have `likely_output`."""

    model: str
    input_tokens: int
    output_tokens: int | None
    likely_output: int = 1


def estimate(request: Request, *, likely_output: int = 1) -> Estimate:
    """What a call may use: a token for every 3 bytes of text, which is more than nearly all texts have, and the most
    that the request allows for the reply (`max_tokens`), `n` times."""
    params = sent_params(request)
    structured = [value for value in params.values() if isinstance(value, list | Mapping)]
    structured += [message.extra for message in request.messages if message.extra]
    written = [json.dumps(value, ensure_ascii=False, default=dict) for value in structured]
    size = sum(len(text.encode(errors="replace")) for text in [*written, *(one.content for one in request.messages)])
    limits = [value for key in _OUTPUT_CAPS if isinstance(value := params.get(key), int)]
    count = params.get("n", 1)
    return Estimate(
        str(request.model),
        size // _BYTES_PER_TOKEN + _TOKENS_PER_MESSAGE * len(request.messages),
        max(limits) * (count if isinstance(count, int) else 1) if limits else None,
        likely_output,
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the replies of a model taught: the longest one, and the most input tokens beyond the estimate."""

    longest: int = 1
    excess: int = 0

    def also(self, asked: Estimate, usage: Usage) -> _Seen:
        excess = usage.input_tokens - asked.input_tokens
        return _Seen(max(self.longest, usage.output_tokens), max(self.excess, excess))


class _Meter:
    """One amount that is capped: what is used for good, and what calls under way may still use."""

    def __init__(self, cap: str, most: float) -> None:
        self.cap = cap
        self.most = most
        self.used = 0.0
        self.held = 0.0

    @property
    def left(self) -> float:
        return self.most - self.used

    def room(self, need: float) -> Room:
        if need > self.left + _ROUNDING:
            return "never"
        return "now" if need <= self.left - self.held + _ROUNDING else "later"


@dataclass(frozen=True, slots=True)
class _Need:
    """What a call takes from a meter: `most` while it is under way, `usual` for good if it fails."""

    meter: _Meter
    most: float
    usual: float


def _need(meter: _Meter, usual: float, *, alone: bool) -> _Need:
    return _Need(meter, max(usual, meter.left) if alone else usual, usual)


@dataclass(frozen=True, slots=True)
class Hold:
    """A place in the budget for one call."""

    asked: Estimate
    needs: tuple[_Need, ...]


class Caps:
    """What all calls together may use; None is no cap. `option` tells how to raise one, with `{cap}` for its name.

    Every call reserves the most that it may use, and waits while only calls under way stand in its way. Replies teach
    how much that is: a model may see more tokens than the request shows, and where a request sets no limit for its
    reply, the longest one so far is taken. So the first call of a model goes alone.
    """

    def __init__(
        self,
        *,
        calls: int | None = None,
        tokens: int | None = None,
        usd: float | None = None,
        seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        option: str = "--metaprompt-max-{cap}",
        usd_name: str = "cost",
    ) -> None:
        self._calls = calls
        self._tokens = None if tokens is None else _Meter("tokens", tokens)
        self._usd = None if usd is None else _Meter(usd_name, usd)
        self._usd_name = usd_name
        self._seconds = seconds
        self._clock = clock
        self._option = option
        self._began = clock()
        self._made = 0
        self._seen: dict[str, _Seen] = {}
        self._waiting: list[asyncio.Future[None]] = []

    async def reserve(
        self, asked: Estimate, find_price: Callable[[], CostOf | None], *, together: bool = False
    ) -> Hold:
        """A place for one call, as soon as there is room; calls made `together` wait for no first one.

        Raises:
            BudgetExhaustedError: A cap leaves no room for the call, or it caps dollars and no price is known.
        """
        price = find_price() if self._usd is not None else None
        while True:
            self._check_count()
            needs = tuple(self._needs(asked, price, together=together))
            rooms = [need.meter.room(need.most) for need in needs]
            if "never" in rooms:
                raise self._no_room(needs[rooms.index("never")])
            if "later" not in rooms:
                break
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn
        self._made += 1
        for need in needs:
            need.meter.held += need.most
        return Hold(asked, needs)

    def again(self) -> None:
        """Takes a place for the same call once more: a server counts every one.

        Raises:
            BudgetExhaustedError: The cap on calls, or on seconds, leaves no room for it.
        """
        self._check_count()
        self._made += 1

    def settle(self, hold: Hold, reply: Reply) -> None:
        """Takes what a finished call used; its estimate where the provider did not say."""
        tokens = reply.usage.input_tokens + reply.usage.output_tokens
        used = {"tokens": float(tokens) if tokens else None, self._usd_name: reply.cost_usd}
        if tokens:
            self._seen[hold.asked.model] = self._seen.get(hold.asked.model, _Seen()).also(hold.asked, reply.usage)
        for need in hold.needs:
            known = used[need.meter.cap]
            need.meter.used += need.usual if known is None else known
        self._let_go(hold)

    def keep(self, hold: Hold) -> None:
        """Takes the estimate of a call that failed: it may have been charged."""
        for need in hold.needs:
            need.meter.used += need.usual
        self._let_go(hold)

    def release(self, hold: Hold) -> None:
        """Gives back the place of a call that was not made."""
        self._made -= 1
        self._let_go(hold)

    def _let_go(self, hold: Hold) -> None:
        for need in hold.needs:
            need.meter.held -= need.most
        waiting, self._waiting = self._waiting, []
        for turn in waiting:
            if not turn.done():
                turn.set_result(None)

    def _needs(self, asked: Estimate, price: CostOf | None, *, together: bool) -> list[_Need]:
        """The call's part of every meter; all that is left, where nothing is known of the model's replies."""
        seen = self._seen.get(asked.model)
        first = seen is None and not together
        output = asked.output_tokens
        if output is None:
            output = asked.likely_output if seen is None else seen.longest
        usual = Usage(asked.input_tokens + (seen.excess if seen is not None else 0), output)
        needs = []
        if self._tokens is not None:
            needs.append(_need(self._tokens, float(usual.input_tokens + output), alone=first))
        if self._usd is not None:
            if price is None:
                raise self._unknown_price(asked.model)
            needs.append(_need(self._usd, price(usual), alone=first and not is_free(price)))
        return needs

    def _check_count(self) -> None:
        seconds = self._clock() - self._began
        for cap, used, most in (("calls", self._made, self._calls), ("seconds", seconds, self._seconds)):
            if most is not None and used >= most:
                raise BudgetExhaustedError(f"the budget of {most} {cap} is used up", hint=self._raise_it(cap))

    def _no_room(self, need: _Need) -> BudgetExhaustedError:
        meter = need.meter
        budget = f"the budget of {_amount(meter.cap, meter.most)}"
        if meter.left <= _ROUNDING:
            return BudgetExhaustedError(f"{budget} is used up", hint=self._raise_it(meter.cap))
        spent, more = _amount(meter.cap, meter.used), _amount(meter.cap, need.usual)
        told = f"{budget} has no room for another call: {spent} used, and it may take {more}"
        return BudgetExhaustedError(told, hint=self._raise_it(meter.cap))

    def _unknown_price(self, model: str) -> BudgetExhaustedError:
        option = self._option.format(cap=self._usd_name)
        return BudgetExhaustedError(f"{option} is set, but no price is known for {model}", hint=price_hint())

    def _raise_it(self, cap: str) -> str:
        return f"raise {self._option.format(cap=cap)}"


class LimitedClient:
    """Asks only while the caps allow it. What passes through here counts, whoever answers.

    `likely_output` is how many tokens a first reply is expected to have, where the request does not limit it. Calls
    that are made `together`, as in a batch, do not wait for what the first reply teaches.
    """

    def __init__(
        self,
        inner: Client,
        caps: Caps,
        find_price: Callable[[], CostOf | None] = lambda: None,
        *,
        likely_output: int = 1,
        together: bool = False,
    ) -> None:
        self._inner = inner
        self._caps = caps
        self._find_price = find_price
        self._likely_output = likely_output
        self._together = together

    async def ask(self, request: Request) -> Reply:
        """The inner client's reply.

        Raises:
            BudgetExhaustedError: A cap is reached; the inner client was not asked.
            ModelCallError: As the inner client does.
            SetupError: As the inner client does.
        """
        asked = estimate(request, likely_output=self._likely_output)
        hold = await self._caps.reserve(asked, self._find_price, together=self._together)
        try:
            reply = await self._inner.ask(replace(request, before_retry=partial(self._before_retry, request)))
        except (SetupError, CallNotMadeError):
            self._caps.release(hold)
            raise
        except (ModelCallError, asyncio.CancelledError):
            self._caps.keep(hold)
            raise
        self._caps.settle(hold, reply)
        return reply

    def _before_retry(self, request: Request) -> None:
        if request.before_retry is not None:
            request.before_retry()
        self._caps.again()


def _amount(cap: str, value: float) -> str:
    return f"{value:.0f} {cap}" if cap == "tokens" else f"${value:.6g}"
