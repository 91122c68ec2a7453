"""The workers of pytest-xdist as those who run the user's own checks, so that code which takes long has the processors
of all of them. Whatever becomes of a worker, every check gets its verdict, or an error."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from threading import Condition

from pytest_metaprompt.errors import ScorerError
from pytest_metaprompt.plugin.checks import Check, runs_python
from pytest_metaprompt.protocols import Scorer
from pytest_metaprompt.results import Attempt, Verdict
from pytest_metaprompt.runner import Asker, OpenScorer
from pytest_metaprompt.scorers import GRADED
from pytest_metaprompt.suites import Assertion, Suite, SuiteKey

TRIES = 2
"""How many workers may die of a check before it is an error."""

WORTH_S = 0.02
"""How long a check must take to be worth the way to a worker and back, which takes some milliseconds of computing."""

TRIED = 4
"""So many checks of a suite go to workers before it is known whether they are."""


@dataclass(slots=True)
class _Errand:
    check: Check
    verdict: Future[Verdict]
    deaths: int = 0


class _NobodyError(Exception):
    """There is no worker any more."""


class Crew:
    """Hands checks to the workers that ask for them, one at a time to each."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._waiting: deque[_Errand] = deque()
        self._under_way: dict[str, _Errand | None] = {}
        self._gone: set[str] = set()
        self._tried: Counter[SuiteKey] = Counter()
        self._longest_s: dict[SuiteKey, float] = {}

    def helping(self, asker: Asker) -> Asker:
        """The asker with checks run by workers, as long as there are any."""
        return replace(asker, open_scorer=partial(self._scorer, asker.open_scorer))

    def _scorer(self, opened: OpenScorer, suite: Suite, assertion: Assertion) -> Scorer:
        scorer = opened(suite, assertion)
        # Only the controller asks models; and workers do not know the assertions of a promptfoo column, which are made
        # anew for each attempt.
        here = suite.column is not None or any(part.kind in GRADED for part in assertion.parts)
        return scorer if here or not runs_python(assertion) else _Helped(scorer, self, suite, assertion)

    def give(self, check: Check) -> Future[Verdict] | None:
        """The verdict of some worker, as soon as it is there; None without workers, or if the suite's checks take less
        time than the way."""
        errand = _Errand(check, Future())
        with self._changed:
            quick = self._tried[check.suite] >= TRIED and self._longest_s[check.suite] < WORTH_S
            if quick or not self._under_way:
                return None
            self._waiting.append(errand)
            self._changed.notify()
        return errand.verdict

    def next_for(self, worker: str) -> Check | None:
        """The next check for this worker, as soon as there is one; None if it is not to ask again."""
        with self._changed:
            if worker not in self._gone:
                self._under_way.setdefault(worker, None)
            self._changed.wait_for(lambda: self._waiting or worker not in self._under_way)
            if worker not in self._under_way:
                return None
            errand = self._under_way[worker] = self._waiting.popleft()
            return errand.check

    def done(self, worker: str, verdict: Verdict | Exception, seconds: float) -> None:
        """Take a worker's verdict on the check that it was given, and how long it took."""
        with self._changed:
            errand = self._under_way.get(worker)
            if errand is None:
                return
            self._under_way[worker] = None
            suite = errand.check.suite
            self._tried[suite] += 1
            self._longest_s[suite] = max(seconds, self._longest_s.get(suite, 0.0))
        _settle(errand, verdict)

    def left(self, worker: str, *, died: bool) -> None:
        """Give what a worker was given to another one; a check that workers die of is an error in the end."""
        with self._changed:
            self._gone.add(worker)
            errand = self._under_way.pop(worker, None)
            if errand is not None:
                errand.deaths += died
                self._waiting.appendleft(errand)
            nobody = not self._under_way
            lost = [one for one in self._waiting if nobody or one.deaths >= TRIES]
            self._waiting = deque(one for one in self._waiting if not (nobody or one.deaths >= TRIES))
            self._changed.notify_all()
        for one in lost:
            _settle(one, _death(one.check) if one.deaths else _NobodyError())

    def dismiss(self) -> None:
        """Let every worker go."""
        with self._changed:
            workers = list(self._under_way)
        for worker in workers:
            self.left(worker, died=False)


@dataclass(frozen=True, slots=True)
class _Helped:
    """A scorer whose work a worker does."""

    inner: Scorer
    crew: Crew
    suite: Suite
    assertion: Assertion

    async def score(self, attempt: Attempt) -> Verdict:
        """A worker's verdict; without workers, that of the scorer itself.

        Raises:
            ScorerError: The check cannot work, or workers died of it.
        """
        at = next(at for at, one in enumerate(attempt.case.assertions) if one is self.assertion)
        verdict = self.crew.give(Check(self.suite.key, at, attempt))
        try:
            return await (self.inner.score(attempt) if verdict is None else asyncio.wrap_future(verdict))
        except _NobodyError:
            return await self.inner.score(attempt)


def _settle(errand: _Errand, verdict: Verdict | Exception) -> None:
    if not errand.verdict.set_running_or_notify_cancel():
        return  # Nobody wants it any more.
    if isinstance(verdict, Verdict):
        errand.verdict.set_result(verdict)
    else:
        errand.verdict.set_exception(verdict)


def _death(check: Check) -> ScorerError:
    assertion = check.attempt.case.assertions[check.at]
    return ScorerError(f"{assertion.type}: the worker process that ran it is gone", where=assertion.where)
