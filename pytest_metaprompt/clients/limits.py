"""Hard caps on what calls may use."""

from __future__ import annotations

import time
from collections.abc import Callable

from pytest_metaprompt.errors import BudgetExhaustedError
from pytest_metaprompt.protocols import Client
from pytest_metaprompt.results import Reply, Request, Usage


class Caps:
    """What all calls together may use; None is no cap. `option` tells how to raise one, with `{cap}` for its name."""

    def __init__(
        self,
        *,
        calls: int | None = None,
        tokens: int | None = None,
        seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        option: str = "--metaprompt-max-{cap}",
    ) -> None:
        self._calls = calls
        self._tokens = tokens
        self._seconds = seconds
        self._clock = clock
        self._option = option
        self._began = clock()
        self._used_calls = 0
        self._used_tokens = 0

    def reserve(self) -> None:
        """Takes one call from the budget. It stays taken when the call fails.

        Raises:
            BudgetExhaustedError: A cap is reached, so the call must not be made.
        """
        self._check("calls", self._used_calls, self._calls)
        self._check("tokens", self._used_tokens, self._tokens)
        self._check("seconds", self._clock() - self._began, self._seconds)
        self._used_calls += 1

    def spend(self, usage: Usage) -> None:
        """Takes the tokens of a finished call from the budget."""
        self._used_tokens += usage.input_tokens + usage.output_tokens

    def _check(self, cap: str, used: float, most: float | None) -> None:
        if most is not None and used >= most:
            option = self._option.format(cap=cap)
            raise BudgetExhaustedError(f"the budget of {most} {cap} is used up", hint=f"raise {option}")


class LimitedClient:
    """Asks only while the caps allow it. Tokens are known after a call, so the last one may go over."""

    def __init__(self, inner: Client, caps: Caps) -> None:
        self._inner = inner
        self._caps = caps

    async def ask(self, request: Request) -> Reply:
        """The inner client's reply.

        Raises:
            BudgetExhaustedError: A cap is reached; the inner client was not asked.
            ModelCallError: As the inner client does.
            SetupError: As the inner client does.
        """
        self._caps.reserve()
        reply = await self._inner.ask(request)
        if not reply.cached:
            self._caps.spend(reply.usage)
        return reply
