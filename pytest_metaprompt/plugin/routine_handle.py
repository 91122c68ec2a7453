"""What the `routine` fixture gives to a Python test: the routine under test, to be asked."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, Protocol

from pytest_metaprompt.errors import MetapromptError
from pytest_metaprompt.plugin.replies import TestedReply
from pytest_metaprompt.results import Reply
from pytest_metaprompt.routines import Routine
from pytest_metaprompt.suites import Json, Message
from pytest_metaprompt.templates import as_text

Messages = Sequence[Mapping[str, Any]]
"""Chat messages as the Chat Completions API writes them."""


class Asking(Protocol):
    """One run of a test, which answers its questions."""

    @property
    def routine(self) -> Routine:
        """The routine that is under test in this run."""

    def ask(self, question: Question) -> Future[TestedReply]:
        """Put the question to the target."""


class Question:
    """What a test gives to one call."""

    def __init__(
        self,
        input: str | None,
        vars: Mapping[str, Any] | None,
        messages: Sequence[Message],
        tools: Sequence[Mapping[str, Any]] | None,
        params: Mapping[str, Any] | None,
    ) -> None:
        self.input = input
        self.vars: dict[str, Json] = dict(vars or {})
        self.messages = tuple(messages)
        self.params: dict[str, Json] = dict(params or {})
        if tools is not None:
            self.params["tools"] = list(tools)


class RoutineHandle:
    """The routine under test. In a repair `text` and every call are those of the proposal that is being tried."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    @property
    def text(self) -> str:
        """The text of the routine's file, for apps that call a model themselves."""
        return self._asking.routine.text

    @property
    def name(self) -> str:
        """The path of the routine's file from the root directory."""
        return self._asking.routine.name

    def run(
        self,
        input: str | None = None,
        *,
        vars: Mapping[str, Any] | None = None,
        messages: Messages = (),
        tools: Sequence[Mapping[str, Any]] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> TestedReply:
        """Ask the target once, and wait for its reply. May be called from a running event loop, which then waits too.

        `input` is the user's message, `vars` fill the routine's placeholders, `messages` follow the routine's own;
        `tools` and `params` go into the request.

        Raises:
            ModelCallError: There is no usable reply; the test is then an error, not a failure.
            RoutineError: A placeholder has no value, or nothing would reach the target.
        """
        __tracebackhide__ = True
        return _wait(self._asking, Question(input, vars, _read_messages(messages), tools, params))

    async def arun(
        self,
        input: str | None = None,
        *,
        vars: Mapping[str, Any] | None = None,
        messages: Messages = (),
        tools: Sequence[Mapping[str, Any]] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> TestedReply:
        """`run` for async tests: other tasks go on meanwhile, so that several questions can be asked at once."""
        __tracebackhide__ = True
        return await _await(self._asking, Question(input, vars, _read_messages(messages), tools, params))

    def chat(
        self,
        *,
        vars: Mapping[str, Any] | None = None,
        messages: Messages = (),
        tools: Sequence[Mapping[str, Any]] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Chat:
        """A conversation that remembers what was said; `messages` came before it."""
        return Chat(self._asking, Question(None, vars, _read_messages(messages), tools, params))

    def __repr__(self) -> str:
        """The routine by name."""
        return f"<routine {self.name}>"


class Chat:
    """A conversation with the routine under test."""

    def __init__(self, asking: Asking, opening: Question) -> None:
        self._asking = asking
        self._opening = opening
        self._first: str | None = None
        self._history: list[Message] = list(opening.messages)
        self._last: Reply | None = None

    def send(self, text: str | None = None, *, tool_results: Sequence[object] | None = None) -> TestedReply:
        """Say something, or give the results of the tools that the last reply called, in the order of its calls.

        A result that is no text is sent as JSON. Raises what `run` raises, and ValueError for too few or too many
        results.
        """
        __tracebackhide__ = True
        return self._heard(_wait(self._asking, self._next(text, tool_results)))

    async def asend(self, text: str | None = None, *, tool_results: Sequence[object] | None = None) -> TestedReply:
        """`send` for async tests."""
        __tracebackhide__ = True
        return self._heard(await _await(self._asking, self._next(text, tool_results)))

    def _next(self, text: str | None, tool_results: Sequence[object] | None) -> Question:
        __tracebackhide__ = True
        if tool_results is not None:
            self._history.extend(_tool_messages(self._last, tool_results))
        if text is not None and self._first is None and not self._history:
            # The first words fill the routine's {{input}}, if it has one.
            self._first = text
        elif text is not None:
            self._history.append(Message("user", text))
        opening = self._opening
        return Question(self._first, opening.vars, self._history, None, opening.params)

    def _heard(self, reply: TestedReply) -> TestedReply:
        self._last = reply.reply
        self._history.append(_assistant_message(reply.reply))
        return reply


def _assistant_message(reply: Reply) -> Message:
    if not reply.tool_calls:
        return Message("assistant", reply.text)
    calls: list[Json] = [replace(call, id=_call_id(reply, at)).in_chat for at, call in enumerate(reply.tool_calls)]
    return Message("assistant", reply.text, extra={"tool_calls": calls})


def _tool_messages(reply: Reply | None, results: Sequence[object]) -> list[Message]:
    __tracebackhide__ = True
    calls = () if reply is None else reply.tool_calls
    if isinstance(results, str) or len(results) != len(calls):
        given = "a text" if isinstance(results, str) else f"{len(results)} results"
        raise ValueError(
            f"tool_results: a list with a result for each of the last reply's {len(calls)} calls, not {given}"
        )
    return [
        Message("tool", as_text(result), extra={"tool_call_id": _call_id(reply, at)})
        for at, result in enumerate(results)
        if reply is not None
    ]


def _call_id(reply: Reply, at: int) -> str:
    return reply.tool_calls[at].id or f"call_{at}"


def _read_messages(messages: Messages) -> list[Message]:
    """Messages as the API writes them.

    Raises:
        TypeError: One of them is no mapping with a role.
    """
    __tracebackhide__ = True
    read = []
    for message in messages:
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
            raise TypeError(f'a message must look like {{"role": "user", "content": "..."}}, not {message!r}')
        extra = {key: value for key, value in message.items() if key not in ("role", "content")}
        read.append(Message(message["role"], message.get("content") or "", extra=extra))
    return read


def _wait(asking: Asking, question: Question) -> TestedReply:
    __tracebackhide__ = True
    try:
        return asking.ask(question).result()
    except MetapromptError as error:
        # What happened inside of us helps nobody: pytest shows the test's own line and the message.
        raise error.with_traceback(None) from None


async def _await(asking: Asking, question: Question) -> TestedReply:
    __tracebackhide__ = True
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError("arun and asend need asyncio; elsewhere call run or send in a thread") from None
    try:
        return await asyncio.wrap_future(asking.ask(question))
    except MetapromptError as error:
        raise error.with_traceback(None) from None
