"""`tool-call`: the reply calls a tool of this name and, where given, with these arguments."""

from __future__ import annotations

from dataclasses import dataclass

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

    Name and arguments are scored apart: the right name alone is half the score.
    """

    expected: ExpectedCall

    async def score(self, attempt: Attempt) -> Verdict:
        """Looks for the expected call among those of the reply."""
        reply, name = reply_of(attempt), self.expected.name
        if not reply.tool_calls:
            return fails(f"expected a call of {name!r}, got no tool call but the text {excerpt_reply(reply)}")
        named = [call for call in reply.tool_calls if call.name == name]
        if not named:
            return fails(f"expected a call of {name!r}, got {call_names(reply)}")
        nearest = min((self.expected.complaints(call) for call in named), key=len)
        if nearest:
            return measured(RIGHT_NAME, passed=False, reason=f"{name}: {few(nearest)}")
        return holds(f"the reply calls {self.expected}")


def open_tool_call(assertion: Assertion) -> Scorer:
    """The scorer of a `tool-call`.

    Raises:
        MetapromptError: The value is not the name of a tool or a mapping of `name` and `arguments`.
    """
    return CallsTool(read_expected_call(assertion, assertion.value, read_comparison(assertion)))
