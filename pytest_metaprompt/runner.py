"""Runs cases: many attempts under way at once, results in order, stopped at once when told to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from pytest_metaprompt.conversations import Parties, converse
from pytest_metaprompt.errors import ModelCallError, RoutineError, ScorerError, SetupError, SkippedError
from pytest_metaprompt.protocols import Client, Scorer
from pytest_metaprompt.results import Attempt, CaseResult, Outcome, Request
from pytest_metaprompt.routines import Routine, render
from pytest_metaprompt.suites import Assertion, Case, Message, ModelSpec, Suite

Item = TypeVar("Item")
Result = TypeVar("Result")

OpenClient = Callable[[Suite, ModelSpec], Client]
OpenScorer = Callable[[Suite, Assertion], Scorer]


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

    `open_customer` opens the models that play customers; None where they are opened like targets.
    """

    open_client: OpenClient
    open_scorer: OpenScorer
    open_customer: OpenClient | None = None

    async def attempt(self, suite: Suite, case: Case, routine: Routine, sample: int) -> Attempt:
        """One asking of a case. What goes wrong at the provider or in a check becomes the attempt's `error`."""
        messages: tuple[Message, ...] = ()
        try:
            messages = render(routine, case)
            return await self.ask(suite, Attempt(case, messages, sample))
        except SkippedError as error:
            return Attempt(case, messages, sample, skipped=str(error))
        except (ModelCallError, SetupError, ScorerError, RoutineError) as error:
            return Attempt(case, messages, sample, error=str(error))

    async def tried(self, job: Job, sample: int) -> Attempt:
        """One asking of a job's case; what goes wrong in a check becomes the attempt's `error`.

        Raises:
            ModelCallError: The target gave no usable reply.
            SetupError: The target cannot be asked at all.
            RoutineError: The case cannot be put into the routine.
        """
        return await self.ask(job.suite, Attempt(job.case, messages=render(job.routine, job.case), sample=sample))

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
        answered = await self._answered(suite, suite.target, replace(attempt, params=suite.target.params))
        if answered.error is not None:
            return answered
        try:
            return replace(answered, verdicts=tuple([await scorer.score(answered) for scorer in scorers]))
        except ScorerError as error:
            return replace(answered, error=str(error))

    async def _answered(self, suite: Suite, target: ModelSpec, attempt: Attempt) -> Attempt:
        client, simulation = self.open_client(suite, target), attempt.case.simulation
        if simulation is None:
            reply = await client.ask(Request(target, attempt.messages, sample=attempt.sample))
            return replace(attempt, reply=reply)
        open_customer = self.open_customer or self.open_client
        customer = open_customer(suite, simulation.model) if simulation.model is not None else None
        return await converse(attempt, simulation, Parties(target, client, customer))


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
    max_failures: int | None = None,
    max_seconds: float | None = None,
) -> None:
    """Run every attempt of every job, `report`ing each finished job by its index.

    With `max_failures`, nothing that comes after the job with the last allowed failure is begun. A failure under a
    gate is not one: the gate judges it. After `max_seconds` what is under way is cancelled, and attempts that have no
    answer are errors.
    """
    horizon = _Horizon(max_failures)
    attempts: list[list[Attempt]] = [[] for _ in jobs]

    async def attempt(one: tuple[int, int]) -> None:
        index, sample = one
        job = jobs[index]
        attempts[index].append(await asker.attempt(job.suite, job.case, job.routine, sample))
        if len(attempts[index]) == job.suite.repeat:
            result = _result(job, attempts[index])
            if job.suite.gate is None and result.outcome in ("failed", "error"):
                horizon.failed(index)
            report(index, result)

    def due() -> Iterator[tuple[int, int]]:
        for index, job in enumerate(jobs):
            for sample in range(job.suite.repeat):
                if horizon.beyond(index):
                    return
                yield index, sample

    try:
        async with asyncio.timeout(max_seconds):
            await _drain(due(), attempt, limit=limit)
    except TimeoutError:
        error = f"not answered in the {max_seconds:g} s of the run (raise --metaprompt-timeout)"
        for index, job in enumerate(jobs):
            if len(attempts[index]) < job.suite.repeat and not horizon.beyond(index):
                report(index, _result(job, _completed(job, attempts[index], error)))


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
