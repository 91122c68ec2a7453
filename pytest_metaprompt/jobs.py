"""Runs jobs: many attempts under way at once, results as they come, stopped at once when told to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from pytest_metaprompt.columns.memory import Memory
from pytest_metaprompt.results import Attempt, CaseResult
from pytest_metaprompt.runner import Asker, Job, outcome_of
from pytest_metaprompt.suites import SuiteKey


async def run_jobs(
    asker: Asker,
    jobs: Sequence[Job],
    *,
    limit: int,
    report: Callable[[int, CaseResult], None],
    broken: Callable[[int, Exception], None],
    max_failures: int | None = None,
    begun: Callable[[int], None] = lambda index: None,
    max_seconds: float | None = None,
) -> None:
    """Run every attempt of every job, `report`ing each finished job by its index; `begun` is told of each first one.

    A fault of ours or of a plugin, which is neither a wrong answer nor a `MetapromptError`, makes its job `broken`, and
    those that had to follow it; the others go on.

    With `max_failures`, nothing that comes after the job with the last allowed failure is begun. A failure under a
    gate is not one: the gate judges it. After `max_seconds` what is under way is cancelled, and attempts that have no
    answer are errors.
    """
    going = _Going(asker, jobs, report, broken, begun, _Horizon(max_failures))
    try:
        async with asyncio.timeout(max_seconds):
            await _drain(going.due(), going.run, limit=limit)
    except TimeoutError:
        going.end(f"not answered in the {max_seconds:g} s of the run (raise --metaprompt-timeout)")


@dataclass(frozen=True, slots=True)
class _Step:
    """One attempt. `index` is the job's place; None where the case is not wanted for itself."""

    index: int | None
    job: Job
    sample: int


_Chain = tuple[_Step, ...]
"""Attempts that must follow each other."""


class _Going:
    """The jobs of one run, and the attempts that were made of each."""

    def __init__(
        self,
        asker: Asker,
        jobs: Sequence[Job],
        report: Callable[[int, CaseResult], None],
        broken: Callable[[int, Exception], None],
        begun: Callable[[int], None],
        horizon: _Horizon,
    ) -> None:
        self._asker = asker
        self._jobs = jobs
        self._report = report
        self._broken = broken
        self._begun = begun
        self._horizon = horizon
        self._attempts: list[list[Attempt]] = [[] for _ in jobs]
        self._gates = _gates(jobs)

    def due(self) -> Iterator[_Chain]:
        """What is to be run next, as long as anybody wants it."""
        for chain in _chains(self._jobs):
            if any(step.index is not None and not self._horizon.beyond(step.index) for step in chain):
                yield chain

    async def run(self, chain: _Chain) -> None:
        """Make the attempts of a chain, one after the other."""
        try:
            async with self._gates.get(chain[0].job.suite.path, nullcontext()):
                await self._follow(chain)
        except Exception as error:  # the fence around the code of plugins, and around our own faults
            for index in {step.index for step in chain if step.index is not None}:
                if self._lacks(index):
                    self._broken(index, error)

    def end(self, error: str) -> None:
        """Report what has no result yet, with this error for each attempt that is missing."""
        for index, job in enumerate(self._jobs):
            if self._lacks(index) and not self._horizon.beyond(index):
                self._report(index, _result(job, _completed(job, self._attempts[index], error)))

    async def _follow(self, chain: _Chain) -> None:
        memory = Memory()
        for step in chain:
            job, index = step.job, step.index
            if index is not None and self._horizon.beyond(index):
                return
            if index is not None and step.sample == 0:
                self._begun(index)
            made = await self._asker.attempt(job.suite, job.case, job.routine, step.sample, memory)
            if index is not None:
                self._attempts[index].append(made)
                self._finish(index)

    def _finish(self, index: int) -> None:
        if self._lacks(index):
            return
        job = self._jobs[index]
        result = _result(job, self._attempts[index])
        if job.suite.gate is None and result.outcome in ("failed", "error"):
            self._horizon.failed(index)
        self._report(index, result)

    def _lacks(self, index: int) -> bool:
        """Whether attempts of a job are still to be made."""
        return len(self._attempts[index]) < self._jobs[index].suite.repeat


def _gates(jobs: Sequence[Job]) -> dict[Path, asyncio.Semaphore]:
    """What holds back the tests of configs that say how many may be under way."""
    columns = {job.suite.path: job.suite.column for job in jobs if job.suite.column is not None}
    return {path: asyncio.Semaphore(one.concurrency) for path, one in columns.items() if one.concurrency is not None}


def _chains(jobs: Sequence[Job]) -> Iterator[_Chain]:
    """Each attempt for itself, in order; those of a serial column one after the other, with the cases before them."""
    begun: set[SuiteKey] = set()
    for index, job in enumerate(jobs):
        suite = job.suite
        if suite.column is None or not suite.column.serial:
            for sample in range(suite.repeat):
                yield (_Step(index, job, sample),)
        elif suite.key not in begun:
            begun.add(suite.key)
            yield from _serial_chains(jobs, job)


def _serial_chains(jobs: Sequence[Job], first: Job) -> Iterator[_Chain]:
    suite = first.suite
    wanted = {job.case.id: index for index, job in enumerate(jobs) if job.suite.key == suite.key}
    last = max(at for at, case in enumerate(suite.cases) if case.id in wanted)
    for sample in range(suite.repeat):
        yield tuple(
            _Step(wanted.get(case.id), Job(suite, case, first.routine), sample) for case in suite.cases[: last + 1]
        )


async def _drain(chains: Iterator[_Chain], work: Callable[[_Chain], Awaitable[None]], *, limit: int) -> None:
    async def worker() -> None:
        for chain in chains:
            await work(chain)

    async with asyncio.TaskGroup() as group:
        for _ in range(limit):
            group.create_task(worker())


def _completed(job: Job, attempts: Sequence[Attempt], error: str) -> list[Attempt]:
    """The attempts, with an error for each that is missing."""
    made = {attempt.sample for attempt in attempts}
    missing = [Attempt(job.case, sample=n, error=error) for n in range(job.suite.repeat) if n not in made]
    return [*attempts, *missing]


def _result(job: Job, attempts: list[Attempt]) -> CaseResult:
    ordered = tuple(sorted(attempts, key=lambda attempt: attempt.sample))
    return CaseResult(job.case, ordered, outcome_of(job.suite, ordered))


class _Horizon:
    """Remembers which jobs failed, and so beyond which job no result will be wanted."""

    def __init__(self, max_failures: int | None) -> None:
        self._max = max_failures
        self._failed: list[int] = []

    def failed(self, index: int) -> None:
        self._failed = sorted([*self._failed, index])

    def beyond(self, index: int) -> bool:
        return self._max is not None and len(self._failed) >= self._max and index > self._failed[self._max - 1]
