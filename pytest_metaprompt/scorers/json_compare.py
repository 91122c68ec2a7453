"""`json`: the reply is JSON and holds the same value, compared deeply, with the paths that differ.

The score is the share of values that are right, so a nearly right reply is worth more than a wrong one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pytest_metaprompt.protocols import Scorer
from pytest_metaprompt.results import Attempt, Verdict
from pytest_metaprompt.scorers.excerpts import excerpt_json, few
from pytest_metaprompt.scorers.json_differences import ABSENT, Difference, differences
from pytest_metaprompt.scorers.json_paths import PathError, Pattern, parse_pattern, without_all
from pytest_metaprompt.scorers.json_values import NotJsonError, Plain, Rules, is_finite, parse, plain
from pytest_metaprompt.scorers.values import problem, read_flag, read_number, read_texts, read_threshold
from pytest_metaprompt.scorers.verdicts import fails, holds, measured, reply_of
from pytest_metaprompt.suites import Assertion


@dataclass(frozen=True, slots=True)
class JsonCompare:
    """Holds if the reply is the expected JSON value, apart from what is ignored.

    With a threshold it holds if at least that share of the values is right.
    """

    expected: Plain
    rules: Rules
    ignored: tuple[Pattern, ...] = ()
    threshold: float | None = None

    async def score(self, attempt: Attempt) -> Verdict:
        """Compares the reply with the expected value."""
        try:
            actual = parse(reply_of(attempt).text)
        except NotJsonError as error:
            return fails(f"expected JSON: {error}")
        expected = without_all(self.expected, self.ignored)
        found = differences(expected, without_all(actual, self.ignored), self.rules)
        if not found:
            return holds(f"the reply is {excerpt_json(self.expected)}")
        score, reason = _share_right(expected, found), few(map(str, found))
        if self.threshold is None:
            return measured(score, passed=False, reason=reason)
        passed = score >= self.threshold
        lead = f"{score:.0%} of the values are right, {'at least' if passed else 'less than'} {self.threshold:.0%}"
        return measured(score, passed=passed, reason=f"{lead}: {reason}")


@dataclass(frozen=True, slots=True)
class AllOrNothing:
    """A scorer without partial credit: the score is 1 or 0."""

    inner: Scorer

    async def score(self, attempt: Attempt) -> Verdict:
        """The inner verdict; what the inner scorer raises passes through."""
        verdict = await self.inner.score(attempt)
        return replace(verdict, score=float(verdict.passed))


def open_json(assertion: Assertion) -> JsonCompare:
    """The scorer of a `json`. A text as value is JSON itself, as it comes out of a table.

    Raises:
        MetapromptError: The value is not JSON, or a setting is not what it must be.
    """
    threshold = None if assertion.threshold is None else read_threshold(assertion, default=None)
    return JsonCompare(_expected(assertion), read_rules(assertion), read_ignored(assertion), threshold)


def read_rules(assertion: Assertion) -> Rules:
    """What counts as the same, by the settings `tolerance` and `ignore_order`."""
    return Rules(
        tolerance=read_number(assertion, "tolerance", default=0.0),
        any_order=read_flag(assertion, "ignore_order"),
    )


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


def read_ignored(assertion: Assertion) -> tuple[Pattern, ...]:
    """The places that are not compared, by the setting `ignore_paths`."""
    try:
        return tuple(parse_pattern(text) for text in read_texts(assertion, "ignore_paths"))
    except PathError as error:
        hint = "write paths such as  customer.city  or  items[*].id"
        raise problem(assertion, f"ignore_paths: {error}", hint=hint) from None


def _share_right(expected: Plain, found: tuple[Difference, ...]) -> float:
    """The share of values that are right, of those expected and those that are there without being expected."""
    unwanted = sum(_count(one.actual) for one in found if one.expected is ABSENT)
    wrong = sum(_count(one.expected) for one in found if one.expected is not ABSENT)
    return max(0.0, 1 - (wrong + unwanted) / (_count(expected) + unwanted))


def _count(value: object) -> int:
    """How many single values there are in a value; an empty list or object is one."""
    items = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return sum(_count(item) for item in items) or 1
