"""`tool-call`: the reply calls a tool of this name and, where given, with these arguments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from pytest_metaprompt.errors import did_you_mean
from pytest_metaprompt.results import Attempt, ToolCall, Verdict
from pytest_metaprompt.scorers.excerpts import call_names, excerpt, excerpt_json, excerpt_reply, few
from pytest_metaprompt.scorers.json_differences import differences
from pytest_metaprompt.scorers.json_values import Plain, is_finite, plain
from pytest_metaprompt.scorers.values import kind_of, problem, read_choice
from pytest_metaprompt.scorers.verdicts import fails, holds, reply_of
from pytest_metaprompt.suites import Assertion, Json

_KEYS = ("name", "arguments")


@dataclass(frozen=True, slots=True)
class CallsTool:
    """Holds if one of the reply's calls is the expected one; other calls beside it do no harm.

    `arguments` None accepts any. With `partial` a call may have arguments, at any depth, that are not mentioned.
    """

    name: str
    arguments: Plain
    partial: bool

    async def score(self, attempt: Attempt) -> Verdict:
        """Looks for the expected call among those of the reply."""
        reply = reply_of(attempt)
        if not reply.tool_calls:
            return fails(f"expected a call of {self.name!r}, got no tool call but the text {excerpt_reply(reply)}")
        named = [call for call in reply.tool_calls if call.name == self.name]
        if not named:
            return fails(f"expected a call of {self.name!r}, got {call_names(reply)}")
        nearest = min((self._complaints(call) for call in named), key=len)
        return fails(f"{self.name}: {few(nearest)}") if nearest else holds(self._found())

    def _complaints(self, call: ToolCall) -> list[str]:
        if self.arguments is None:
            return []
        if call.arguments is None:
            return [f"the arguments are not a JSON object: {excerpt(call.raw_arguments)}"]
        actual = plain(call.arguments)
        compared = _mentioned(self.arguments, actual) if self.partial else actual
        return [str(difference) for difference in differences(self.arguments, compared)]

    def _found(self) -> str:
        given = "" if self.arguments is None else f" with {excerpt_json(self.arguments)}"
        return f"the reply calls {self.name!r}{given}"


def open_tool_call(assertion: Assertion) -> CallsTool:
    """The scorer of a `tool-call`.

    Raises:
        MetapromptError: The value is not the name of a tool or a mapping of `name` and `arguments`.
    """
    partial = read_choice(assertion, "mode", ("exact", "partial")) == "partial"
    value = assertion.value
    if isinstance(value, str) and value:
        return CallsTool(value, None, partial)
    if not isinstance(value, Mapping):
        what = f"not {kind_of(value)}" if value else "it is missing"
        raise problem(assertion, f"value must name a tool, {what}", hint="write  value: {name: ..., arguments: {...}}")
    for key in value:
        if key not in _KEYS:
            raise problem(assertion, f"unknown key {key!r} in value", hint=did_you_mean(key, _KEYS))
    return CallsTool(_name(assertion, value), _arguments(assertion, value), partial)


def _name(assertion: Assertion, value: Mapping[str, Json]) -> str:
    name = value.get("name")
    if not isinstance(name, str) or not name:
        raise problem(assertion, "value has no name", hint="write  value: {name: ..., arguments: {...}}")
    return name


def _arguments(assertion: Assertion, value: Mapping[str, Json]) -> Plain:
    arguments = plain(_from_json_text(value.get("arguments")))
    if arguments is None:
        return None
    if not isinstance(arguments, dict):
        raise problem(assertion, f"arguments must be a mapping, not {kind_of(arguments)}")
    if not is_finite(arguments):
        raise problem(assertion, "arguments hold NaN or infinity, which JSON cannot, so no call would match")
    return arguments


def _from_json_text(arguments: Json) -> Json:
    """Arguments as JSON text, OpenAI's own form and what a table's cell holds, as the mapping that they are."""
    if not isinstance(arguments, str):
        return arguments
    try:
        found: Json = json.loads(arguments)
    except ValueError:
        return arguments
    return found


def _mentioned(expected: Plain, actual: Plain) -> Plain:
    """`actual` without the keys that `expected` does not have, at any depth."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return {key: _mentioned(expected[key], item) for key, item in actual.items() if key in expected}
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        return [_mentioned(one, other) for one, other in zip(expected, actual, strict=True)]
    return actual
