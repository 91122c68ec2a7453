"""One run of a Python test: the questions it asks, counted, cached and kept."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from pytest_metaprompt.clients.recorded import request_key
from pytest_metaprompt.errors import MetapromptError, SetupError
from pytest_metaprompt.plugin.replies import TestedReply
from pytest_metaprompt.plugin.routine_handle import Question
from pytest_metaprompt.plugin.verdicts_of_tests import Finding, whole
from pytest_metaprompt.protocols import Scorer
from pytest_metaprompt.results import Attempt, Exchange, Request, Verdict, summed
from pytest_metaprompt.routines import Routine, render
from pytest_metaprompt.runner import Asker
from pytest_metaprompt.suites import PYTHON_TEST, Assertion, Case, Suite

REPEATS_APART = 1000
"""The same question asked again in one run is another sample: this far behind those of the test's other runs."""

Value = TypeVar("Value")


class Submit(Protocol):
    """Begins work in the thread of the event loop."""

    def __call__(self, work: Coroutine[object, object, Value]) -> Future[Value]:
        """The future can be waited for from any thread."""


@dataclass(frozen=True, slots=True)
class Line:
    """How a run reaches its models: `room` holds back calls beyond the most that may be under way."""

    asker: Asker
    submit: Submit
    room: asyncio.Semaphore


@dataclass(slots=True)
class TestRun:
    """A run under way, and in the end an attempt. `sample` counts the runs of the test under one routine."""

    case: Case
    suite: Suite
    routine: Routine
    sample: int
    line: Line
    findings: list[Finding] = field(default_factory=list)
    trouble: MetapromptError | None = None
    _exchanges: list[Exchange] = field(default_factory=list)
    _asked: Counter[str] = field(default_factory=Counter)

    __test__ = False

    def ask(self, question: Question) -> Future[TestedReply]:
        """Put a question to the target.

        Raises:
            RoutineError: It cannot be put into the routine.
            SetupError: There is no target.
        """
        __tracebackhide__ = True
        if self.suite.target is None:
            raise SetupError("the marker names no target", hint="add target= to it, or pass --metaprompt-target")
        case = replace(self.case, vars=question.vars, input=question.input, messages=question.messages)
        exchange = Exchange(case, render(self.routine, case), params=question.params)
        request = Request(self.suite.target, exchange.messages, question.params)
        key = request_key(request)
        request = replace(request, sample=self.sample + REPEATS_APART * self._asked[key])
        self._asked[key] += 1
        self._exchanges.append(exchange)
        return self.line.submit(self._answer(len(self._exchanges) - 1, request))

    async def _answer(self, at: int, request: Request) -> TestedReply:
        exchange = self._exchanges[at]
        try:
            async with self.line.room:
                reply = await self.line.asker.open_client(self.suite, request.model).ask(request)
        except MetapromptError as error:
            self.trouble = error
            self._exchanges[at] = replace(exchange, error=str(error))
            raise
        exchange = self._exchanges[at] = replace(exchange, reply=reply)
        return TestedReply(exchange, reply, self)

    def check(self, exchange: Exchange, assertion: Assertion) -> Future[Verdict]:
        """Hold an assertion, as suite files have them, against a reply.

        Raises:
            MetapromptError: There is no such assertion, or it cannot work.
        """
        scorer = self.line.asker.open_scorer(self.suite, assertion)
        return self.line.submit(self._score(scorer, exchange))

    async def _score(self, scorer: Scorer, exchange: Exchange) -> Verdict:
        try:
            async with self.line.room:
                return await scorer.score(Attempt(exchange.case, exchange.messages, self.sample, exchange.reply))
        except MetapromptError as error:
            self.trouble = error
            raise

    @property
    def finding(self) -> Finding:
        """What pytest found in all phases so far. A failure behind a failed call is none: it may come of that call."""
        found = whole(self.findings)
        return Finding("error", str(self.trouble)) if found.outcome == "failed" and self.trouble else found

    def attempt(self) -> Attempt:
        """The run as it ended."""
        found, made = self.finding, tuple(self._exchanges)
        replies = [exchange.reply for exchange in made if exchange.reply is not None]
        passed = found.outcome == "passed"
        verdict = Verdict(PYTHON_TEST, passed, float(passed), found.reason)
        return Attempt(
            self.case,
            messages=made[-1].messages if made else (),
            sample=self.sample,
            reply=summed(replies) if replies else None,
            error=found.reason if found.outcome == "error" else None,
            verdicts=() if found.outcome == "error" else (verdict,),
            exchanges=made,
        )
