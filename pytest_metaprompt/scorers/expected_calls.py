"""A tool call that is expected, and what of it a real call does not have."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pytest_metaprompt.errors import did_you_mean
from pytest_metaprompt.results import ToolCall
from pytest_metaprompt.scorers.excerpts import excerpt, excerpt_json
from pytest_metaprompt.scorers.json_compare import read_ignored, read_rules
from pytest_metaprompt.scorers.json_differences import differences
from pytest_metaprompt.scorers.json_paths import Pattern, without_all
from pytest_metaprompt.scorers.json_values import Plain, Rules, is_finite, plain, same
from pytest_metaprompt.scorers.values import kind_of, problem, read_choice
from pytest_metaprompt.suites import Assertion, Json

SETTINGS = ("mode", "ignore_paths", "tolerance", "ignore_order")
"""The settings of every type that compares calls."""

Mode = Literal["exact", "partial", "one-of"]
_MODES: Mapping[str, Mode] = {"exact": "exact", "partial": "partial", "one-of": "one-of"}
_KEYS = ("name", "arguments")
_MAY_BE_LEFT_OUT = ""  # as the Berkeley Function-Calling Leaderboard writes it among the accepted values


@dataclass(frozen=True, slots=True)
class Comparison:
    """How arguments are compared. `partial` allows further ones, `one-of` gives a list of accepted values for each."""

    mode: Mode
    rules: Rules
    ignored: tuple[Pattern, ...]


@dataclass(frozen=True, slots=True)
class ExpectedCall:
    """A call of this tool, with these arguments; `arguments` None accepts any."""

    name: str
    arguments: dict[str, Plain] | None
    comparison: Comparison

    def complaints(self, call: ToolCall) -> list[str]:
        """What differs in the arguments of a call of this tool, each by name."""
        if self.arguments is None:
            return []
        if call.arguments is None:
            return [f"the arguments are not a JSON object: {excerpt(call.raw_arguments)}"]
        expected = without_all(self.arguments, self.comparison.ignored)
        actual = without_all(plain(call.arguments), self.comparison.ignored)
        if self.comparison.mode == "one-of":
            return _not_accepted(expected, actual, self.comparison.rules)
        if self.comparison.mode == "partial":
            actual = _mentioned(expected, actual)
        return [str(difference) for difference in differences(expected, actual, self.comparison.rules)]

    def __str__(self) -> str:
        return repr(self.name) if self.arguments is None else f"{self.name!r} with {excerpt_json(self.arguments)}"


def read_comparison(assertion: Assertion) -> Comparison:
    """The settings of an assertion that compares calls."""
    mode = _MODES[read_choice(assertion, "mode", tuple(_MODES))]
    return Comparison(mode, read_rules(assertion), read_ignored(assertion))


def read_expected_call(assertion: Assertion, value: Json, comparison: Comparison) -> ExpectedCall:
    """The call that a value describes: the name of a tool, or a mapping of `name` and `arguments`.

    Raises:
        MetapromptError: It is neither.
    """
    if isinstance(value, str) and value:
        return ExpectedCall(value, None, comparison)
    if not isinstance(value, Mapping):
        what = f"not {kind_of(value)}" if value else "it is missing"
        raise problem(assertion, f"value must name a tool, {what}", hint="write  value: {name: ..., arguments: {...}}")
    for key in value:
        if key not in _KEYS:
            raise problem(assertion, f"unknown key {key!r} in value", hint=did_you_mean(key, _KEYS))
    name = value.get("name")
    if not isinstance(name, str) or not name:
        raise problem(assertion, "value has no name", hint="write  value: {name: ..., arguments: {...}}")
    return ExpectedCall(name, _arguments(assertion, value, comparison.mode), comparison)


def _arguments(assertion: Assertion, value: Mapping[str, Json], mode: Mode) -> dict[str, Plain] | None:
    arguments = plain(_from_json_text(value.get("arguments")))
    if arguments is None:
        return None
    if not isinstance(arguments, dict):
        raise problem(assertion, f"arguments must be a mapping, not {kind_of(arguments)}")
    if not is_finite(arguments):
        raise problem(assertion, "arguments hold NaN or infinity, which JSON cannot, so no call would match")
    if mode == "one-of":
        for name, accepted in arguments.items():
            if not isinstance(accepted, list) or not accepted:
                hint = f"write  {name}: [...]  with the values that are accepted"
                raise problem(assertion, f"with mode: one-of, {name} must be a list with a value or more", hint=hint)
    return arguments


def _from_json_text(arguments: Json) -> Json:
    """Arguments as JSON text, OpenAI's own form and what a table's cell holds, as the mapping that they are."""
    if not isinstance(arguments, str):
        return arguments
    try:
        found: Json = json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments
    return found


def _mentioned(expected: Plain, actual: Plain) -> Plain:
    """`actual` without the keys that `expected` does not have, at any depth."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return {key: _mentioned(expected[key], item) for key, item in actual.items() if key in expected}
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        return [_mentioned(one, other) for one, other in zip(expected, actual, strict=True)]
    return actual


def _not_accepted(expected: Plain, actual: Plain, rules: Rules) -> list[str]:
    assert isinstance(expected, dict)
    assert isinstance(actual, dict)
    complaints = []
    for name, accepted in expected.items():
        assert isinstance(accepted, Sequence)
        if name not in actual:
            complaints += [] if _MAY_BE_LEFT_OUT in accepted else [f"{name}: missing"]
        elif not any(same(value, actual[name], rules) for value in accepted):
            complaints.append(f"{name}: expected one of {excerpt_json(accepted)}, got {excerpt_json(actual[name])}")
    return complaints + [f"{name}: not expected" for name in actual if name not in expected]
