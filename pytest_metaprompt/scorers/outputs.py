"""What is judged: the reply as a value for the user's code, and as a text for everything else."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from pytest_metaprompt.protocols import Scorer
from pytest_metaprompt.results import Attempt, Reply, Verdict
from pytest_metaprompt.scorers.json_values import Plain, plain
from pytest_metaprompt.scorers.verdicts import reply_of
from pytest_metaprompt.suites import Dialect, Json, Message

Context = dict[str, Plain]
"""What the user's code is told beside the output: vars, prompt, tool calls and the assertion's `config`."""


@dataclass(frozen=True, slots=True)
class OutputAsText:
    """A scorer that reads a reply of tool calls alone as promptfoo does: their JSON is the text."""

    inner: Scorer

    async def score(self, attempt: Attempt) -> Verdict:
        """The inner verdict; what the inner scorer raises passes through."""
        reply = reply_of(attempt)
        if reply.text or not reply.tool_calls:
            return await self.inner.score(attempt)
        text = compact(output_of(reply, dialect="promptfoo"))
        return await self.inner.score(replace(attempt, reply=replace(reply, text=text)))


def output_of(reply: Reply, *, dialect: Dialect) -> Plain:
    """The reply as the user's code gets it: its text, or what a transform made of it.

    A reply of tool calls alone is the list of them in a promptfoo suite.
    """
    if reply.output is not None:
        return plain(reply.output)
    if dialect == "promptfoo" and reply.tool_calls and not reply.text:
        return [plain(call.in_chat) for call in reply.tool_calls]
    return reply.text


def with_output(reply: Reply, output: Json) -> Reply:
    """The reply as if this had been said: a text, or a value whose JSON is the text."""
    if isinstance(output, str):
        return replace(reply, text=output, output=None)
    return replace(reply, text=compact(plain(output)), output=output)


def context_of(attempt: Attempt, *, dialect: Dialect, config: Json = None) -> Context:
    """What a check of the user's is told; copies, so that it cannot change the case."""
    context = {**transform_context(attempt, dialect=dialect), "tool_calls": _calls(reply_of(attempt))}
    test = attempt.case.column_test
    if dialect == "promptfoo" and test is not None:
        context["test"] = {"vars": plain(attempt.case.vars), "metadata": plain(test.metadata)}
    return context if config is None else {**context, "config": plain(config)}


def transform_context(attempt: Attempt, *, dialect: Dialect) -> Context:
    """What the code of a transform is told; in promptfoo's dialect just what it is told there."""
    context: Context = {"vars": plain(attempt.case.vars)}
    if dialect == "promptfoo":
        return {**context, "prompt": _prompt(attempt.messages), "metadata": {}}
    calls = _calls(reply_of(attempt))
    return {**context, "prompt": [_message(one) for one in attempt.messages], "tool_calls": calls}


def _calls(reply: Reply) -> Plain:
    return [
        {"name": call.name, "arguments": plain(call.arguments), "raw_arguments": call.raw_arguments, "id": call.id}
        for call in reply.tool_calls
    ]


def compact(value: Plain) -> str:
    """The JSON of a value as `JSON.stringify` writes it: no spaces, letters as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _prompt(messages: tuple[Message, ...]) -> Plain:
    """The prompt as one text: that of a lone user message, or the JSON of the chat."""
    if len(messages) == 1 and messages[0].role == "user":
        return messages[0].content
    return compact([_message(message) for message in messages])


def _message(message: Message) -> Plain:
    extra = plain(message.extra)
    return {"role": message.role, "content": message.content, **(extra if isinstance(extra, dict) else {})}
