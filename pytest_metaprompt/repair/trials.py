"""Tries cases under routines, through a bench, and keeps what came out of every trial."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from functools import partial

from pytest_metaprompt.errors import BudgetExhaustedError, ModelCallError, SetupError
from pytest_metaprompt.repair.bench import Bench, IndecisiveError
from pytest_metaprompt.repair.job import Asker, RepairJob
from pytest_metaprompt.results import Attempt, CaseResult, Observation, Run
from pytest_metaprompt.routines import Routine
from pytest_metaprompt.runner import Job, each, outcome_of

PROBED = 5
"""So many cases are asked again to see whether replies repeat."""


class Trials:
    """The trials of one repair. A sample index is used once for a routine and a case, always in the same order, so that
    an interrupted repair finds its replies in the cache when it is begun again."""

    def __init__(self, job: RepairJob) -> None:
        self._job = job
        self._subjects = {subject.key: subject for subject in job.subjects}
        self._attempts: dict[tuple[str, str], list[Attempt]] = {}
        self._routines = {job.routine.text: job.routine}
        self._under_way: set[asyncio.Task[Attempt]] = set()
        self.bench = Bench(self._draw, limit=job.limit)
        self.before = _results(job)

    def add(self, routine: Routine) -> None:
        """Make a routine known, so that its text can be tried."""
        self._routines.setdefault(routine.text, replace(routine, home=self._job.routine.home))

    def routine(self, text: str) -> Routine:
        """The routine with this text."""
        return self._routines[text]

    def remember_the_run(self) -> dict[str, bool]:
        """Take over what the test run knows; which cases passed, without those that ended otherwise."""
        decided = {key: one.outcome for key, one in self.before.items() if one.outcome in ("passed", "failed")}
        before = {key: outcome == "passed" for key, outcome in decided.items()}
        for key in before:
            attempts = [attempt for attempt in self.before[key].attempts if attempt.error is None]
            self._attempts[self._job.routine.text, key] = attempts
            passed = [attempt.passed for attempt in attempts]
            self.bench.remember(self._job.routine.text, key, passed, begun=len(self.before[key].attempts))
        return before

    async def replies_repeat(self, keys: Sequence[str]) -> bool:
        """Whether up to `PROBED` cases, failing and passing, give the same output when asked again."""
        step = max(1, len(keys) // PROBED)
        text = self._job.routine.text
        for key in keys[::step][:PROBED]:
            await self.bench.fresh(text, key, draw=partial(self._draw, asker=self._job.prober))
            outputs = {_output(attempt) for attempt in self._attempts[text, key]}
            if len(outputs) > 1 or None in outputs:
                return False
        return True

    def observations(self, text: str, keys: Sequence[str]) -> list[Observation]:
        """How the cases last fared under a text."""
        return [Observation(self._subjects[key], self._attempts[text, key][-1]) for key in keys]

    async def measure(self, routine: Routine) -> tuple[Run, ...]:
        """Every case under a routine, with as many attempts as its suite asks for; what is known is not asked again."""
        self.add(routine)
        keys = list(self._subjects)
        results = await each(keys, partial(self._complete, routine), limit=self._job.limit)
        found = {key: result for key, result in zip(keys, results, strict=True) if result}
        return tuple(
            Run(run.suite, tuple(found[one.key] for one in self._job.subjects if one.suite is run.suite))
            for run in self._job.runs
        )

    async def _complete(self, routine: Routine, key: str) -> CaseResult:
        subject = self._subjects[key]
        known = self._attempts.setdefault((routine.text, key), [])
        trouble: list[Attempt] = []
        while len(known) < subject.suite.repeat and not trouble:
            try:
                await self._draw(routine.text, key, len(known))
            except (BudgetExhaustedError, IndecisiveError) as error:
                # What the budget leaves unasked does not speak against a case that passed whenever it was asked.
                if known and isinstance(error, BudgetExhaustedError):
                    break
                trouble = [Attempt(subject.case, sample=len(known), error=str(error))]
        attempts = (*known[: subject.suite.repeat], *trouble)
        asked = replace(subject.suite, repeat=len(attempts))
        return CaseResult(subject.case, attempts, outcome_of(asked, attempts))

    async def _draw(self, text: str, key: str, sample: int, *, asker: Asker | None = None) -> bool:
        subject = self._subjects[key]
        job = Job(subject.suite, subject.case, self._routines[text])
        try:
            answered = await self._ask((asker or self._job.asker).tried(job, sample))
        except BudgetExhaustedError:
            # What was paid for is waited for, so that it is known when the repair is begun again.
            while self._under_way:
                await asyncio.wait(self._under_way)
            raise
        except (ModelCallError, SetupError) as error:
            raise IndecisiveError(f"{key}: {error}") from None
        if answered.error is not None:
            raise IndecisiveError(f"{key}: {answered.error}")
        self._attempts.setdefault((text, key), []).append(answered)
        return answered.passed

    async def _ask(self, asking: Coroutine[None, None, Attempt]) -> Attempt:
        task = asyncio.create_task(asking)
        self._under_way.add(task)
        try:
            return await task
        finally:
            self._under_way.discard(task)


def _results(job: RepairJob) -> dict[str, CaseResult]:
    by_case = {(id(run.suite), result.case.id): result for run in job.runs for result in run.results}
    return {subject.key: by_case[id(subject.suite), subject.case.id] for subject in job.subjects}


def _output(attempt: Attempt) -> object:
    """All in which a second asking may differ: what was said, and, where a model judges, the verdicts. None where that
    is not known, as of a test whose app asks a model itself."""
    asked = [exchange.reply for exchange in attempt.exchanges] or [attempt.reply]
    replies = [reply for reply in asked if reply is not None]
    if not replies:
        return None
    outputs = tuple((one.text, *((call.name, call.raw_arguments) for call in one.tool_calls)) for one in replies)
    calls = tuple((call.name, call.raw_arguments) for call in attempt.calls)
    said = tuple((message.role, message.content) for message in attempt.transcript)
    return (attempt.passed, outputs, calls, said, tuple(verdict.passed for verdict in attempt.verdicts))
