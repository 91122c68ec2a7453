"""`word-count`: how many words the reply has."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pytest_metaprompt.errors import MetapromptError, did_you_mean
from pytest_metaprompt.protocols import Scorer
from pytest_metaprompt.results import Attempt, Verdict
from pytest_metaprompt.scorers.values import problem
from pytest_metaprompt.scorers.verdicts import fails, holds, reply_of
from pytest_metaprompt.suites import Assertion, Json

_KEYS = ("min", "max")


@dataclass(frozen=True, slots=True)
class WordCount:
    """Holds if the number of words, which white space parts, lies between the two, both included."""

    least: float
    most: float

    async def score(self, attempt: Attempt) -> Verdict:
        """Counts the words of the reply."""
        count = len(reply_of(attempt).text.split())
        words = "1 word" if count == 1 else f"{count} words"
        if self.least <= count <= self.most:
            return holds(f"the reply has {words}")
        return fails(f"the reply has {words}, expected {self._wanted()}")

    def _wanted(self) -> str:
        if self.least == self.most:
            return f"{self.least:g}"
        if self.most == math.inf:
            return f"at least {self.least:g}"
        return f"at most {self.most:g}" if self.least == 0 else f"{self.least:g} to {self.most:g}"


def open_word_count(assertion: Assertion) -> Scorer:
    """The scorer of a `word-count`.

    Raises:
        MetapromptError: The value is neither a number nor a mapping with `min`, `max` or both.
    """
    value = assertion.value
    if isinstance(value, Mapping):
        return _between(assertion, value)
    number = _number(value)
    if number is None:
        raise _problem(assertion)
    return WordCount(number, number)


def _between(assertion: Assertion, value: Mapping[str, Json]) -> WordCount:
    for key in value:
        if key not in _KEYS:
            raise problem(assertion, f"unknown key {key!r} in value", hint=did_you_mean(key, _KEYS))
    least, most = (_number(value[key]) if key in value else None for key in _KEYS)
    if not value or any(_number(item) is None for item in value.values()):
        raise _problem(assertion)
    if most is None and not least:
        raise problem(assertion, "min is 0, so it would hold for every reply", hint="give a max, or a larger min")
    if most is not None and least is not None and least > most:
        raise problem(assertion, f"min {least:g} is above max {most:g}")
    return WordCount(least or 0.0, math.inf if most is None else most)


def _number(value: Json) -> float | None:
    """The number that a value, or a table's cell, stands for, if it can be a count."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if 0 <= number < math.inf else None


def _problem(assertion: Assertion) -> MetapromptError:
    return problem(assertion, "value must be a number of words", hint="write  value: 10  or  value: {min: 5, max: 10}")
