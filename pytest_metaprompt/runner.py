"""Asks about cases, one attempt at a time, and judges what came of the attempts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from pytest_metaprompt.columns.asking import ColumnAsker, column_messages
from pytest_metaprompt.columns.memory import Memory
from pytest_metaprompt.conversations import Parties, converse
from pytest_metaprompt.errors import ModelCallError, RoutineError, ScorerError, SetupError, SkippedError
from pytest_metaprompt.protocols import Client, Scorer
from pytest_metaprompt.results import Attempt, Outcome, Request
from pytest_metaprompt.routines import Routine, render
from pytest_metaprompt.suites import Assertion, Case, Message, ModelSpec, Suite

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
class Job:
    """A case to run under a routine."""

    suite: Suite
    case: Case
    routine: Routine


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
        asking = self._attempt(suite, case, routine, sample, memory or Memory())
        return await self._watched(suite, case, sample, asking)

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
        return await self._watched(job.suite, job.case, sample, self._tried(job, sample))

    async def _tried(self, job: Job, sample: int) -> Attempt:
        if job.suite.column is not None:
            asker = self._column_asker(job.suite)
            return await asker.ask(job.suite, job.case, job.routine, sample=sample, memory=Memory())
        return await self.ask(job.suite, Attempt(job.case, messages=render(job.routine, job.case), sample=sample))

    async def _watched(self, suite: Suite, case: Case, sample: int, asking: Awaitable[Attempt]) -> Attempt:
        if self.watch is None:
            return await asking
        with self.watch(suite, case, sample) as tell:
            attempt = await asking
            tell(attempt)
            return attempt

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
