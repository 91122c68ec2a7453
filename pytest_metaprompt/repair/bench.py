"""Measures routines on cases and remembers every trial, so that none is made twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

from pytest_metaprompt.errors import MetapromptError

Draw = Callable[[str, str, int], Awaitable[bool]]
"""Tries a routine's text on a case's key with a sample index, and says whether it passed."""

State = Literal["passing", "failing", "flaky"]


class IndecisiveError(MetapromptError):
    """A trial could not be made (the provider or a check went wrong), so nothing may be decided on it."""


class Bench:
    """Trials of routines on cases.

    With `exact`, a routine always gives the same reply to a case, and one trial is all there is to know.
    """

    def __init__(self, draw: Draw, *, limit: int) -> None:
        self._draw = draw
        self._trials: dict[tuple[str, str], list[bool]] = defaultdict(list)
        self._begun: dict[tuple[str, str], int] = defaultdict(int)
        self.limit = limit
        self.exact = False

    def remember(self, text: str, key: str, trials: Sequence[bool], *, begun: int) -> None:
        """Take over trials made elsewhere, such as by the test run; so many were `begun`, the failed ones included."""
        self._trials[text, key].extend(trials)
        self._begun[text, key] += begun

    def trials(self, text: str, key: str) -> Sequence[bool]:
        """What is known so far."""
        return self._trials[text, key]

    async def fresh(self, text: str, key: str, *, draw: Draw | None = None) -> bool:
        """The result of one more trial, with a sample index that was never used, made by `draw` where that is given.

        Raises:
            IndecisiveError: There was no valid answer.
        """
        if self.exact and self._trials[text, key]:
            return self._trials[text, key][-1]
        sample = self._begun[text, key]
        self._begun[text, key] += 1
        passed = await (draw or self._draw)(text, key, sample)
        self._trials[text, key].append(passed)
        return passed

    async def first(self, text: str, key: str) -> bool:
        """The result of the first trial, made now if there is none."""
        known = self._trials[text, key]
        return known[0] if known else await self.fresh(text, key)

    def state(self, text: str, key: str) -> State:
        """What the trials so far say of a case: passing if most passed, failing if none did, else flaky."""
        known = self._trials[text, key]
        if not any(known):
            return "failing"
        return "passing" if 2 * sum(known) > len(known) else "flaky"
