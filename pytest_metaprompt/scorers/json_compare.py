"""`json`: the reply is JSON and holds the same value, compared deeply, with the paths that differ."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_metaprompt.results import Attempt, Verdict
from pytest_metaprompt.scorers.excerpts import excerpt_json, few
from pytest_metaprompt.scorers.json_differences import differences
from pytest_metaprompt.scorers.json_paths import PathError, Pattern, parse_pattern, without
from pytest_metaprompt.scorers.json_values import NotJsonError, Plain, Rules, is_finite, parse, plain
from pytest_metaprompt.scorers.values import problem, read_flag, read_number, read_texts
from pytest_metaprompt.scorers.verdicts import fails, holds, reply_of
from pytest_metaprompt.suites import Assertion


@dataclass(frozen=True, slots=True)
class JsonCompare:
    """Holds if the reply is the expected JSON value, apart from what is ignored."""

    expected: Plain
    rules: Rules
    ignored: tuple[Pattern, ...] = ()

    async def score(self, attempt: Attempt) -> Verdict:
        """Compares the reply with the expected value."""
        try:
            actual = parse(reply_of(attempt).text)
        except NotJsonError as error:
            return fails(f"expected JSON: {error}")
        found = differences(self._cut(self.expected), self._cut(actual), self.rules)
        return fails(few(map(str, found))) if found else holds(f"the reply is {excerpt_json(self.expected)}")

    def _cut(self, value: Plain) -> Plain:
        for pattern in self.ignored:
            value = without(value, pattern)
        return value


def open_json(assertion: Assertion) -> JsonCompare:
    """The scorer of a `json`. A text as value is JSON itself, as it comes out of a table.

    Raises:
        MetapromptError: The value is not JSON, or a setting is not what it must be.
    """
    rules = Rules(
        tolerance=read_number(assertion, "tolerance", default=0.0),
        any_order=read_flag(assertion, "ignore_order"),
    )
    return JsonCompare(_expected(assertion), rules, _ignored(assertion))


def _expected(assertion: Assertion) -> Plain:
    value = plain(assertion.value)
    try:
        value = parse(value) if isinstance(value, str) else value
    except NotJsonError:
        hint = "write the value as YAML, or a JSON text with its quotes, as in '\"text\"'"
        raise problem(assertion, f"value {assertion.value!r} is not JSON", hint=hint) from None
    if not is_finite(value):
        raise problem(assertion, "value holds NaN or infinity, which JSON cannot, so no reply would match")
    return value


def _ignored(assertion: Assertion) -> tuple[Pattern, ...]:
    try:
        return tuple(parse_pattern(text) for text in read_texts(assertion, "ignore_paths"))
    except PathError as error:
        hint = "write paths such as  customer.city  or  items[*].id"
        raise problem(assertion, f"ignore_paths: {error}", hint=hint) from None
