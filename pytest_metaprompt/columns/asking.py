"""One test of a column from its vars to its verdicts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pytest_metaprompt.columns.chat import chat_messages, shaped
from pytest_metaprompt.columns.checks import rendered_check
from pytest_metaprompt.columns.memory import Memory
from pytest_metaprompt.columns.rendering import (
    CONVERSATION,
    Rendered,
    Situation,
    env_of,
    js_object,
    render_column,
    sees_conversation,
)
from pytest_metaprompt.columns.requests import build_request, parses_reply
from pytest_metaprompt.columns.scoring import scored
from pytest_metaprompt.errors import MetapromptError, ModelCallError, RoutineError, SetupError, SkippedError
from pytest_metaprompt.files import FILE_PREFIX
from pytest_metaprompt.protocols import Client, Scorer
from pytest_metaprompt.results import Attempt, Reply
from pytest_metaprompt.routines import Routine
from pytest_metaprompt.scorers.outputs import output_of, with_output
from pytest_metaprompt.scorers.transforms import apply_transform, open_transform
from pytest_metaprompt.suites import Assertion, Case, Column, Json, Message, ModelSpec, Suite

NOTHING_JUDGED = "the test has no assertion, so nothing was judged"


@dataclass(frozen=True, slots=True)
class ColumnAsker:
    """Asks providers about the tests of promptfoo configs."""

    open_client: Callable[[ModelSpec], Client]
    open_scorer: Callable[[Suite, Assertion], Scorer]

    async def attempt(self, suite: Suite, case: Case, routine: Routine, *, sample: int, memory: Memory) -> Attempt:
        """One asking of a test. What goes wrong, in whatever file or function, is the attempt's `error`."""
        try:
            return await self.ask(suite, case, routine, sample=sample, memory=memory)
        except (ModelCallError, SetupError) as error:
            return Attempt(case, sample=sample, error=str(error))

    async def ask(self, suite: Suite, case: Case, routine: Routine, *, sample: int, memory: Memory) -> Attempt:
        """The same, where the provider gives a reply.

        Raises:
            ModelCallError: It gives none.
            SetupError: It cannot be asked at all.
        """
        attempt = Attempt(case, sample=sample)
        try:
            situation = _situation(suite, case, sample)
            rendered = await self._rendered(situation, routine, memory)
            request = build_request(rendered, situation)
            attempt = replace(attempt, messages=request.messages, params={**situation.target.params, **request.params})
            return await _Asking(self, suite, situation, rendered, memory).finish(attempt)
        except (ModelCallError, SetupError):
            raise
        except SkippedError as error:
            return replace(attempt, skipped=str(error))
        except MetapromptError as error:
            return replace(attempt, error=str(error))

    async def _rendered(self, situation: Situation, routine: Routine, memory: Memory) -> Rendered:
        values = {**situation.case.vars, **memory.stored}
        if situation.test.transform_vars is not None:
            values = await _transformed_vars(situation.test.transform_vars, situation, values)
        if sees_conversation(routine, situation.test):
            values[CONVERSATION] = list(memory.conversations[situation.test.conversation])
        # The user's Python and programs may take their time.
        return await asyncio.to_thread(render_column, routine, situation, values)


@dataclass(frozen=True, slots=True)
class _Asking:
    """What is known once the prompt is rendered."""

    asker: ColumnAsker
    suite: Suite
    situation: Situation
    rendered: Rendered
    memory: Memory

    async def finish(self, attempt: Attempt) -> Attempt:
        """The attempt with its reply and verdicts. The vars that assertions see are the ones that the prompt saw."""
        seen = replace(attempt, case=replace(attempt.case, vars=self.rendered.vars))
        scorers, trouble = self._scorers()
        if trouble is not None and not self._column.serial:
            raise trouble
        answered = await self._answered(seen)
        answered = replace(attempt, reply=answered.reply)
        if trouble is not None:
            raise trouble
        if not scorers:
            return replace(answered, skipped=NOTHING_JUDGED)
        try:
            judged = replace(answered, case=seen.case)
            answered = replace(answered, verdicts=tuple([await scorer.score(judged) for scorer in scorers]))
            function = self.situation.test.scoring
            return answered if function is None else await scored(answered, function, folder=self._column.folder)
        except SkippedError as error:
            return replace(answered, skipped=str(error))
        except MetapromptError as error:
            return replace(answered, error=str(error))

    @property
    def _column(self) -> Column:
        return self.situation.column

    def _scorers(self) -> tuple[Sequence[Scorer], MetapromptError | None]:
        """The scorers of the assertions, or why there is one that cannot judge."""
        values = {**self.rendered.vars, "env": env_of(self._column)}
        try:
            checks = [rendered_check(check, values) for check in self.situation.case.assertions]
            return [self.asker.open_scorer(self.suite, check) for check in checks], None
        except MetapromptError as error:
            return (), error

    async def _answered(self, attempt: Attempt) -> Attempt:
        """The attempt with the reply that is judged: shaped, transformed, and kept for later tests."""
        test = self.situation.test
        reply = await self._reply()
        attempt = replace(attempt, reply=shaped(reply, parsed=parses_reply(self.situation, self.rendered)))
        self.memory.say(test.conversation, prompt=self.rendered.prompt, output=_output(attempt))
        for code in (self._column.transform, test.transform):
            if code is not None:
                transform = open_transform(
                    code, dialect="promptfoo", base=self._column.folder, where=attempt.case.where
                )
                attempt = await apply_transform(transform, attempt)
        if test.store_as is not None and _output(attempt):
            self.memory.stored[test.store_as] = _output(attempt)
        return attempt

    async def _reply(self) -> Reply:
        canned = self.situation.test.output
        if canned is not None:
            return with_output(Reply("", cost_usd=0.0), canned)
        client = self.asker.open_client(self.situation.target)
        reply = await client.ask(build_request(self.rendered, self.situation))
        if self._column.delay_s and not reply.cached:
            await asyncio.sleep(self._column.delay_s)
        return reply


def column_messages(suite: Suite, case: Case, routine: Routine) -> tuple[Message, ...]:
    """The messages that a provider sees for a test that stands alone; those of a chat, too, if it gets one text.

    Raises:
        RoutineError: The prompt cannot be rendered.
    """
    try:
        situation = _situation(suite, case, 0)
        rendered = render_column(routine, situation, case.vars)
        if routine.form in ("messages-json", "messages-yaml"):
            return chat_messages(rendered.prompt, provider="openai")
        return build_request(rendered, situation).messages
    except MetapromptError as error:
        raise RoutineError(error.message, where=error.where, hint=error.hint) from error


def _situation(suite: Suite, case: Case, sample: int) -> Situation:
    target = (case.column_test.target if case.column_test else None) or suite.target
    if suite.column is None or target is None:
        raise SetupError("the suite names no target", hint="add providers: to it, or pass --metaprompt-target")
    return Situation(suite.column, case, target, sample)


def _output(attempt: Attempt) -> Json:
    return output_of(attempt.reply, dialect="promptfoo") if attempt.reply is not None else None


async def _transformed_vars(code: str, situation: Situation, values: dict[str, Json]) -> dict[str, Json]:
    """What the user's code makes of the vars, which it knows as `vars`."""
    if not code.startswith(FILE_PREFIX):
        body = code if "\n" in code.strip() else f"return ({code});"
        code = f"const vars = output;\n{body}"
    transform = open_transform(code, dialect="promptfoo", base=situation.column.folder, where=situation.case.where)
    told = Attempt(situation.case, messages=(Message("user", ""),), reply=Reply("", output=js_object(values)))
    changed = (await apply_transform(transform, told)).reply
    output = changed.output if changed is not None else None
    return dict(output) if isinstance(output, dict) else values
