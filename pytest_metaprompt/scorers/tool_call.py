"""`tool-call`: the reply calls a tool of this name and, where given, with these arguments."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pytest_metaprompt.protocols import Scorer
from pytest_metaprompt.results import Attempt, Verdict
from pytest_metaprompt.scorers.excerpts import call_names, excerpt_reply, few
from pytest_metaprompt.scorers.expected_calls import ExpectedCall, read_comparison, read_expected_call
from pytest_metaprompt.scorers.verdicts import fails, holds, measured, reply_of
from pytest_metaprompt.suites import Assertion

RIGHT_NAME = 0.5
"""The score of a call of the right tool with wrong arguments."""


@dataclass(frozen=True, slots=True)
class CallsTool:
    """Holds if one of the reply's calls is the expected one; other calls beside it do no harm.

    Name and arguments are scored apart: the right name alone is half the score, and where arguments are expected, each
    of the two has a verdict of its own below that of the whole.
    """

    expected: ExpectedCall

    async def score(self, attempt: Attempt) -> Verdict:
        """Looks for the expected call among those of the reply."""
        named = [call for call in reply_of(attempt).tool_calls if call.name == self.expected.name]
        nearest = min((self.expected.complaints(call) for call in named), key=len, default=None)
        verdict = self._whole(attempt, nearest)
        if self.expected.arguments is None:
            return verdict
        return replace(verdict, children=(_part("name", right=nearest is not None), self._arguments(nearest)))

    def _arguments(self, complaints: list[str] | None) -> Verdict:
        """What is said of the arguments alone; the score is the share that is right."""
        if complaints is None:
            return _part("arguments", right=False)
        share = max(0.0, 1 - len(complaints) / max(1, len(self.expected.arguments or ())))
        return replace(_part("arguments", right=not complaints), score=share, reason=few(complaints))

    def _whole(self, attempt: Attempt, nearest: list[str] | None) -> Verdict:
        reply, name = reply_of(attempt), self.expected.name
        if not reply.tool_calls:
            return fails(f"expected a call of {name!r}, got no tool call but the text {excerpt_reply(reply)}")
        if nearest is None:
            return fails(f"expected a call of {name!r}, got {call_names(reply)}")
        if nearest:
            return measured(RIGHT_NAME, passed=False, reason=f"{name}: {few(nearest)}")
        return holds(f"the reply calls {self.expected}")


def _part(name: str, *, right: bool) -> Verdict:
    """The verdict on a part of a call; as a metric it is summed up for the suite."""
    return Verdict(name, right, float(right), "", metric=f"tool-call {name}")


def open_tool_call(assertion: Assertion) -> Scorer:
    """The scorer of a `tool-call`.

    Raises:
        MetapromptError: The value is not the name of a tool or a mapping of `name` and `arguments`.
    """
    return CallsTool(read_expected_call(assertion, assertion.value, read_comparison(assertion)))
