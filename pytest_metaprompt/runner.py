"""Runs cases: many attempts under way at once, results in order, stopped at once when told to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from pytest_metaprompt.columns.asking import ColumnAsker, column_messages
from pytest_metaprompt.columns.memory import Memory
from pytest_metaprompt.conversations import Parties, converse
from pytest_metaprompt.errors import ModelCallError, RoutineError, ScorerError, SetupError, SkippedError
from pytest_metaprompt.protocols import Client, Scorer
from pytest_metaprompt.results import Attempt, CaseResult, Outcome, Request
from pytest_metaprompt.routines import Routine, render
from pytest_metaprompt.suites import Assertion, Case, Message, ModelSpec, Suite, SuiteKey

Item = TypeVar("Item")
Result = TypeVar("Result")

OpenClient = Callable[[Suite, ModelSpec], Client]
OpenScorer = Callable[[Suite, Assertion], Scorer]
Watch = Callable[[Suite, Case, int], AbstractContextManager[Callable[[Attempt], None]]]


class _StopError(Exception):
    """Ends the group of workers; never leaves `each`."""


async def each(
    items: Sequence[Item],
    work: Callable[[Item], Awaitable[Result]],
    *,
    limit: int,
    until: Callable[[Result], bool] = lambda result: False,
) -> list[Result | None]:
    """The results of `work` for each item, in the items' order, at most `limit` under way at once.

    Items are begun in order. As soon as `until` holds for a result, what is under way is cancelled and the rest is
    never begun; their results are None.
    """
    results: list[Result | None] = [None] * len(items)
    waiting = iter(enumerate(items))

    async def worker() -> None:
        for index, item in waiting:
            result = results[index] = await work(item)
            if until(result):
                raise _StopError

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(limit, len(items))):
                group.create_task(worker())
    except BaseExceptionGroup as group:
        _, others = group.split(_StopError)
        if others is not None:
            raise _first(others) from None
    return results


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first plain exception in a group, so that callers catch what the work raised."""
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks the target about a case, or holds the case's conversation with it, and scores the reply.

    `open_customer` opens the models that play customers, and `open_partner` the targets of conversations and columns,
    which do not ask all their questions at once; None where they are opened like targets. `watch` is entered around
    each attempt, and told what came of it.
    """

    open_client: OpenClient
    open_scorer: OpenScorer
    open_customer: OpenClient | None = None
    open_partner: OpenClient | None = None
    watch: Watch | None = None

    async def attempt(
        self, suite: Suite, case: Case, routine: Routine, sample: int, memory: Memory | None = None
    ) -> Attempt:
        """One asking of a case. What goes wrong at the provider or in a check becomes the attempt's `error`.

        `memory` holds what earlier cases of a serial column left behind.
        """
        if self.watch is None:
            return await self._attempt(suite, case, routine, sample, memory or Memory())
        with self.watch(suite, case, sample) as tell:
            attempt = await self._attempt(suite, case, routine, sample, memory or Memory())
            tell(attempt)
            return attempt

    async def _attempt(self, suite: Suite, case: Case, routine: Routine, sample: int, memory: Memory) -> Attempt:
        if suite.column is not None:
            return await self._column_asker(suite).attempt(suite, case, routine, sample=sample, memory=memory)
        messages: tuple[Message, ...] = ()
        try:
            messages = render(routine, case)
            return await self.ask(suite, Attempt(case, messages, sample))
        except SkippedError as error:
            return Attempt(case, messages, sample, skipped=str(error))
        except (ModelCallError, SetupError, ScorerError, RoutineError) as error:
            return Attempt(case, messages, sample, error=str(error))

    async def tried(self, job: Job, sample: int) -> Attempt:
        """One asking of a job's case, which stands alone; what goes wrong in a check becomes the attempt's `error`.

        Raises:
            ModelCallError: The target gave no usable reply.
            SetupError: The target cannot be asked at all.
            RoutineError: The case cannot be put into the routine.
        """
        if self.watch is None:
            return await self._tried(job, sample)
        with self.watch(job.suite, job.case, sample) as tell:
            attempt = await self._tried(job, sample)
            tell(attempt)
            return attempt

    async def _tried(self, job: Job, sample: int) -> Attempt:
        if job.suite.column is not None:
            asker = self._column_asker(job.suite)
            return await asker.ask(job.suite, job.case, job.routine, sample=sample, memory=Memory())
        return await self.ask(job.suite, Attempt(job.case, messages=render(job.routine, job.case), sample=sample))

    def _column_asker(self, suite: Suite) -> ColumnAsker:
        return ColumnAsker(partial(self.open_partner or self.open_client, suite), self.open_scorer)

    async def ask(self, suite: Suite, attempt: Attempt) -> Attempt:
        """The rendered attempt with its reply and verdicts.

        Raises:
            ModelCallError: The target gave no usable reply. In a conversation that becomes the attempt's `error`.
            SetupError: The target cannot be asked at all.
            SkippedError: An assertion cannot be judged on this machine; the target was not asked.
        """
        if suite.target is None:
            raise SetupError("the suite names no target", hint="add target: to it, or pass --metaprompt-target")
        scorers = [self.open_scorer(suite, check) for check in attempt.case.assertions]
        answered = await self._answered(suite, suite.target, attempt)
        if answered.error is not None:
            return answered
        try:
            return replace(answered, verdicts=tuple([await scorer.score(answered) for scorer in scorers]))
        except ScorerError as error:
            return replace(answered, error=str(error))

    async def _answered(self, suite: Suite, target: ModelSpec, attempt: Attempt) -> Attempt:
        simulation = attempt.case.simulation
        if simulation is None:
            reply = await self.open_client(suite, target).ask(Request(target, attempt.messages, sample=attempt.sample))
            return replace(attempt, params=target.params, reply=reply)
        client = (self.open_partner or self.open_client)(suite, target)
        open_customer = self.open_customer or self.open_client
        customer = open_customer(suite, simulation.model) if simulation.model is not None else None
        return await converse(replace(attempt, params=target.params), simulation, Parties(target, client, customer))


def messages_for(suite: Suite, case: Case, routine: Routine) -> tuple[Message, ...]:
    """The messages that the target sees for a case.

    Raises:
        RoutineError: The routine cannot be rendered for it.
    """
    return render(routine, case) if suite.column is None else column_messages(suite, case, routine)


def outcome_of(suite: Suite, attempts: Sequence[Attempt]) -> Outcome:
    """Passed when enough attempts passed; error when the attempts that went wrong leave that open; else failed.

    Skipped if an attempt is: a case that cannot be judged is neither right nor wrong.
    """
    if any(attempt.skipped is not None for attempt in attempts):
        return "skipped"
    passed = sum(attempt.passed for attempt in attempts)
    errors = sum(attempt.error is not None for attempt in attempts)
    if passed >= suite.required_passes:
        return "passed"
    return "error" if passed + errors >= suite.required_passes else "failed"


@dataclass(frozen=True, slots=True)
class Job:
    """A case to run under a routine."""

    suite: Suite
    case: Case
    routine: Routine


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
    horizon = _Horizon(max_failures)
    attempts: list[list[Attempt]] = [[] for _ in jobs]

    gates = _gates(jobs)

    async def attempt(chain: _Chain) -> None:
        async with gates.get(chain[0].job.suite.path, nullcontext()):
            await follow(chain)

    async def follow(chain: _Chain) -> None:
        memory = Memory()
        for step in chain:
            job, index = step.job, step.index
            if index is not None and horizon.beyond(index):
                return
            if index is not None and step.sample == 0:
                begun(index)
            made = await asker.attempt(job.suite, job.case, job.routine, step.sample, memory)
            if index is not None:
                attempts[index].append(made)
                finish(index)

    async def guarded(chain: _Chain) -> None:
        try:
            await attempt(chain)
        except Exception as error:  # the fence around the code of plugins, and around our own faults
            for index in {step.index for step in chain if step.index is not None}:
                if len(attempts[index]) < jobs[index].suite.repeat:
                    broken(index, error)

    def finish(index: int) -> None:
        job = jobs[index]
        if len(attempts[index]) == job.suite.repeat:
            result = _result(job, attempts[index])
            if job.suite.gate is None and result.outcome in ("failed", "error"):
                horizon.failed(index)
            report(index, result)

    def due() -> Iterator[_Chain]:
        for chain in _chains(jobs):
            if any(step.index is not None and not horizon.beyond(step.index) for step in chain):
                yield chain

    try:
        async with asyncio.timeout(max_seconds):
            await _drain(due(), guarded, limit=limit)
    except TimeoutError:
        error = f"not answered in the {max_seconds:g} s of the run (raise --metaprompt-timeout)"
        for index, job in enumerate(jobs):
            if len(attempts[index]) < job.suite.repeat and not horizon.beyond(index):
                report(index, _result(job, _completed(job, attempts[index], error)))


def _gates(jobs: Sequence[Job]) -> dict[Path, asyncio.Semaphore]:
    """What holds back the tests of configs that say how many may be under way."""
    columns = {job.suite.path: job.suite.column for job in jobs if job.suite.column is not None}
    return {path: asyncio.Semaphore(one.concurrency) for path, one in columns.items() if one.concurrency is not None}


@dataclass(frozen=True, slots=True)
class _Step:
    """One attempt. `index` is the job's place; None where the case is not wanted for itself."""

    index: int | None
    job: Job
    sample: int


_Chain = tuple[_Step, ...]
"""Attempts that must follow each other."""


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


async def _drain(items: Iterator[Item], work: Callable[[Item], Awaitable[None]], *, limit: int) -> None:
    async def worker() -> None:
        for item in items:
            await work(item)

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
