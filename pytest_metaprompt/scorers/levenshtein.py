"""`levenshtein`: how many characters must be put in, left out or changed to make the reply the text."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_metaprompt.protocols import Scorer
from pytest_metaprompt.results import Attempt, Verdict
from pytest_metaprompt.scorers.excerpts import excerpt, excerpt_reply
from pytest_metaprompt.scorers.packages import need
from pytest_metaprompt.scorers.values import as_javascript, problem, read_limit
from pytest_metaprompt.scorers.verdicts import fails, holds, reply_of
from pytest_metaprompt.suites import Assertion


@dataclass(frozen=True, slots=True)
class Levenshtein:
    """Holds if the distance from the reply to the text is at most the limit."""

    expected: str
    limit: float

    async def score(self, attempt: Attempt) -> Verdict:
        """Measures the distance of V. I. Levenshtein (Soviet Physics Doklady 10 (1966) 707), in characters."""
        from rapidfuzz.distance import Levenshtein as Distance

        reply = reply_of(attempt)
        distance = Distance.distance(self.expected, reply.text)
        if distance <= self.limit:
            return holds(f"the distance to {excerpt(self.expected)} is {distance}, at most {self.limit:g}")
        wanted = f"expected at most {self.limit:g} from {excerpt(self.expected)}"
        return fails(f"the distance is {distance}, {wanted}, got {excerpt_reply(reply)}")


def open_levenshtein(assertion: Assertion) -> Scorer:
    """The scorer of a `levenshtein`; the threshold is the largest distance (5).

    Raises:
        MetapromptError: The value is not a text, or the extra `metrics` is not installed.
    """
    need(assertion, "rapidfuzz", extra="metrics")
    value = assertion.value
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise problem(assertion, "value must be a text", hint="add  value: ...")
    return Levenshtein(as_javascript(value), read_limit(assertion, default=5.0))
