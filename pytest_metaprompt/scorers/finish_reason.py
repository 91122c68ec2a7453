"""`finish-reason`: why the model stopped."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_metaprompt.errors import ScorerError
from pytest_metaprompt.protocols import Scorer
from pytest_metaprompt.results import Attempt, Verdict
from pytest_metaprompt.scorers.values import read_text_value
from pytest_metaprompt.scorers.verdicts import fails, holds, reply_of
from pytest_metaprompt.suites import Assertion


@dataclass(frozen=True, slots=True)
class FinishReason:
    """Holds if the provider gives this reason: `stop`, `length`, `tool_calls`, `content_filter`, or one of its own."""

    assertion: Assertion
    expected: str

    async def score(self, attempt: Attempt) -> Verdict:
        """Compares the reason, upper and lower case alike.

        Raises:
            ScorerError: The provider gave none.
        """
        found = reply_of(attempt).finish_reason
        if found is None:
            raise ScorerError(f"{self.assertion.type}: the provider gave no reason", where=self.assertion.where)
        if found.lower() == self.expected.lower():
            return holds(f"the model stopped for {found!r}")
        return fails(f"expected the model to stop for {self.expected!r}, it stopped for {found!r}")


def open_finish_reason(assertion: Assertion) -> Scorer:
    """The scorer of a `finish-reason`."""
    return FinishReason(assertion, read_text_value(assertion).strip())
