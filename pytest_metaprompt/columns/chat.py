"""From the text of a prompt to chat messages, and from a reply to what the assertions see."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from pytest_metaprompt.errors import RoutineError, SuiteFileError
from pytest_metaprompt.formats.records import parse_yaml
from pytest_metaprompt.js_values import js_json
from pytest_metaprompt.results import Reply
from pytest_metaprompt.scorers.outputs import with_output
from pytest_metaprompt.suites import Json, Message

WHOLE = ("echo", "exec", "promptfoo-python")
"""Providers that get the prompt as it is, not chat messages."""


def chat_messages(prompt: str, *, provider: str) -> tuple[Message, ...]:
    """The messages in a prompt: JSON, YAML that begins with `- role:`, or else one message of the user's.

    Raises:
        RoutineError: The prompt begins like YAML or is JSON, and is no list of messages.
    """
    if provider in WHOLE:
        return (Message("user", prompt),)
    if prompt.strip().startswith("- role:"):
        try:
            _check_indents(prompt)
            return _messages(parse_yaml(prompt, shown="the prompt"))
        except SuiteFileError as error:
            raise RoutineError(f"the prompt begins with  - role:  and is not valid YAML: {error}") from None
    try:
        return _messages(json.loads(prompt))
    except (ValueError, RecursionError):
        return (Message("user", prompt),)


def shaped(reply: Reply, *, parsed: bool) -> Reply:
    """The reply with what promptfoo calls its output: the message where it has a text and calls, a legacy function call
    itself, and with `parsed` the value of a text that is JSON."""
    if reply.tool_calls and reply.text:
        calls: list[Json] = [call.in_chat for call in reply.tool_calls]
        output: Json = {"role": "assistant", "content": reply.text, "tool_calls": calls}
        return replace(reply, text=js_json(output), output=output)
    if len(reply.tool_calls) == 1 and reply.tool_calls[0].id is None:
        call = reply.tool_calls[0]
        return with_output(reply, {"name": call.name, "arguments": call.raw_arguments})
    if parsed and not reply.tool_calls:
        try:
            return with_output(reply, json.loads(reply.text))
        except (ValueError, RecursionError):
            return reply
    return reply


def _check_indents(prompt: str) -> None:
    """Returns if every line is indented as much as the list, or more: a line break in a var may end a text early."""
    lines = [line for line in prompt.split("\n") if line.strip()]
    indent = len(lines[0]) - len(lines[0].lstrip())
    if not all(line.startswith((" " * indent + "-", " " * (indent + 1))) for line in lines):
        hint = "a line break in a var ends the text: write {{ name | dump }}"
        raise RoutineError("the prompt begins with  - role:  and is not valid YAML", hint=hint)


def _messages(value: Json) -> tuple[Message, ...]:
    if not isinstance(value, list) or not value:
        raise RoutineError("the prompt is JSON, and no list of chat messages", hint="[{role: user, content: ...}]")
    return tuple(_message(item) for item in value)


def _message(item: Json) -> Message:
    role = item.get("role") if isinstance(item, Mapping) else None
    if not isinstance(item, Mapping) or not isinstance(role, str):
        raise RoutineError("the prompt is a list, and not of chat messages", hint="[{role: user, content: ...}]")
    content = item.get("content")
    extra = {key: value for key, value in item.items() if key not in ("role", "content")}
    if content is not None and not isinstance(content, str):
        return Message(role, js_json(content), {**extra, "content": content})
    return Message(role, content or "", extra)
