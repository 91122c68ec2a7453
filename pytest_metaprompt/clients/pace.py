"""How fast a server may be asked: as fast as it likes, found out by asking.

One `Pace` stands for one server and key, whatever models are asked there. Calls under way are halved when the server
says 429, and grow by one a round of successes (AIMD, as in RFC 5681). Nothing is asked before the moment that the
server names, and nothing at all after it refused the key or the quota.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_metaprompt.clients.clock import Clock, SystemClock
from pytest_metaprompt.clients.rate import ROUNDING_S, Rate
from pytest_metaprompt.clients.rate_headers import Allowance, read_allowances
from pytest_metaprompt.errors import CallNotMadeError


@dataclass(frozen=True, slots=True)
class Turn:
    """The right to make one call now. `round` tells which halving it came after."""

    round: int


class Pace:
    """Admits calls to one server and key."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.under_way = 0
        self.most_at_once: float = math.inf
        """How many calls may be under way; infinite until the server first objects."""
        self._peak = 0
        self._round = 0
        self._not_before = clock.now()
        self._why = ""
        self._allowances: Mapping[str, Allowance] = {}
        self._refusal: str | None = None
        self._queue: deque[asyncio.Future[None]] = deque()
        self._waits: dict[object, tuple[str, float]] = {}

    async def enter(
        self, rates: Sequence[Rate] = (), *, size: int = 0, again: bool = False, patience_s: float = math.inf
    ) -> Turn:
        """Returns when a call may be made; `size` is about how many tokens it may use. `leave` must follow.

        A call that is made `again` comes before those that wait for their first turn. `patience_s` is for how long a
        server that said 429 is waited for.

        Raises:
            CallNotMadeError: The server refused the key or the quota meanwhile, or wants to be left alone for longer.
        """
        while True:
            if self._refusal is not None:
                raise CallNotMadeError(self._refusal)
            held_s = self._not_before - self.clock.now()
            if held_s > patience_s:
                raise CallNotMadeError(beyond(self._why, held_s, patience_s))
            if self.under_way >= self.most_at_once:
                await self._next_turn(first=again)
                continue
            reason, seconds = self._wait(rates, size)
            if seconds <= ROUNDING_S:
                break
            await self.sleep(seconds, reason)
        for rate in rates:
            rate.take(self.clock.now(), size)
        self._allowances = {name: allowance.less_one() for name, allowance in self._allowances.items()}
        self.under_way += 1
        return Turn(self._round)

    def leave(self) -> None:
        """The call that was admitted has ended, however."""
        self.under_way -= 1
        self._wake()

    def succeeded(self) -> None:
        """The server answered: a little more may be asked of it."""
        if self.most_at_once != math.inf:
            self.most_at_once += 1 / self.most_at_once
            if self.most_at_once >= self._peak:
                self.most_at_once = math.inf
            self._wake()

    def overdone(self, turn: Turn, *, wait_s: float | None) -> None:
        """The server said that it is asked too much. One burst of such answers halves the calls under way once."""
        if turn.round == self._round:
            self._round += 1
            self._peak = max(self._peak, self.under_way)
            self.most_at_once = max(1.0, min(self.most_at_once, self.under_way) // 2)
        if wait_s is not None:
            self._hold("429", wait_s)

    def heard(self, headers: Mapping[str, str]) -> None:
        """Takes note of what the server says is left of its rate limits."""
        self._allowances = {**self._allowances, **read_allowances(headers, now=self.clock.now())}

    def refuse(self, reason: str) -> None:
        """Every call from now on fails at once, for this reason."""
        self._refusal = reason
        while self._queue:
            _set(self._queue.popleft())

    async def sleep(self, seconds: float, reason: str) -> None:
        """Waits, and lets `state` show it."""
        key = object()
        self._waits[key] = (reason, self.clock.now() + seconds)
        try:
            await self.clock.sleep(seconds)
        finally:
            del self._waits[key]
            self._wake()  # Whoever was to go next may have been stopped while it slept.

    def state(self) -> str | None:
        """What is waited for, such as `429: waiting 12 s, 8 under way`; None where nothing is. From any thread."""
        waits = list(self._waits.values())
        if not waits:
            return None
        # What holds every call up tells more than what holds up one.
        reason, until = max(waits, key=lambda wait: wait[1])
        seconds = max(1, math.ceil(until - self.clock.now()))
        return f"{reason}: waiting {seconds} s, {self.under_way} under way"

    def _wait(self, rates: Sequence[Rate], size: int) -> tuple[str, float]:
        """Why and how long the next call has to wait, at least."""
        now = self.clock.now()
        waits = [(self._why, self._not_before - now)]
        waits += [(rate.name, rate.wait_s(now, size)) for rate in rates]
        waits += [(name, allowance.wait_s(now)) for name, allowance in self._allowances.items()]
        return max(waits, key=lambda wait: wait[1])

    def _hold(self, why: str, seconds: float) -> None:
        until = self.clock.now() + seconds
        if until > self._not_before:
            self._not_before, self._why = until, why

    async def _next_turn(self, *, first: bool) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        (self._queue.appendleft if first else self._queue.append)(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn in self._queue:
                self._queue.remove(turn)
            else:
                self._wake()  # It was this one's turn: somebody else takes it.
            raise

    def _wake(self) -> None:
        free = self.most_at_once - self.under_way
        while free >= 1 and self._queue:
            _set(self._queue.popleft())
            free -= 1


def beyond(why: str, wait_s: float, limit_s: float) -> str:
    """What to say of a wait that is too long."""
    return f"{why} (the wait of {wait_s:.0f} s goes beyond timeout_s, {limit_s:g} s)"


def _set(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_result(None)


class Paces:
    """The paces of a session, one for each server and key, and the rates that the user set."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self._paces: dict[object, Pace] = {}
        self._rates: dict[object, Rate] = {}

    def of(self, server: object) -> Pace:
        """The pace of a server and key."""
        return self._paces.setdefault(server, Pace(self.clock))

    def rate(self, model: object, name: str, most: int, *, by_size: bool) -> Rate:
        """The rate of one model; the same for all who ask for the same."""
        return self._rates.setdefault((model, name, most), Rate(name, most, by_size=by_size))

    def state(self) -> str | None:
        """What any of them waits for, in one line; None where nothing is waited for. From any thread."""
        states = [state for pace in list(self._paces.values()) if (state := pace.state()) is not None]
        return "; ".join(states) or None
