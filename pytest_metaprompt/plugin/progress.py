"""How far the cases of a session are: counted in the thread that asks, told in a line wherever one is wanted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from pytest_metaprompt.reports.figures import dollars, duration
from pytest_metaprompt.results import CaseResult
from pytest_metaprompt.suites import SuiteKey

_LEAST_S = 1.0
"""Before this, a rate would be a guess."""


class Progress:
    """Counts the cases of a session, each by its index, as they begin and end."""

    def __init__(self, suites: Sequence[SuiteKey], *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._of = list(suites)
        self._clock = clock
        self._began = clock()
        self._first: dict[SuiteKey, float] = {}
        self._last: dict[SuiteKey, float] = {}
        self.suites = frozenset(suites)
        self.total = len(self._of)
        self.done = 0
        self.errors = 0
        self.cost_usd = 0.0
        self.seconds = 0.0

    def begun(self, index: int) -> None:
        """The first call for a case is about to be made."""
        self._first.setdefault(self._of[index], self._clock())

    def ended(self, index: int, result: CaseResult) -> None:
        """A case has its result."""
        now = self._clock()
        self.seconds = now - self._began
        self._last[self._of[index]] = now
        self.done += 1
        self.errors += result.outcome == "error"
        replies = [attempt.reply for attempt in result.attempts if attempt.reply is not None]
        self.cost_usd += sum(reply.cost_usd or 0.0 for reply in replies if not reply.cached)

    def seconds_of(self, suite: SuiteKey) -> float:
        """From the first call for a suite to its last result so far."""
        return self._last[suite] - self._first[suite] if suite in self._last and suite in self._first else 0.0

    @property
    def share(self) -> float:
        """How much is done, in 0..1."""
        return self.done / self.total if self.total else 1.0

    def __str__(self) -> str:
        return ", ".join(self._words())

    def _words(self) -> Iterator[str]:
        yield f"{self.done}/{self.total} cases"
        passed_s = self._clock() - self._began
        rate = self.done / passed_s if self.done and passed_s >= _LEAST_S else None
        if rate is not None:
            yield f"{rate:.0f}/s" if rate >= 10 else f"{rate:.1f}/s"
        if self.errors:
            yield f"{self.errors} error{'' if self.errors == 1 else 's'}"
        if self.cost_usd:
            yield dollars(self.cost_usd)
        if rate is not None and self.done < self.total:
            yield f"{duration((self.total - self.done) / rate)} left"
