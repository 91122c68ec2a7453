"""The one place that decides what of a conversation an assertion looks at: its last turn, or all of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from pytest_metaprompt.protocols import Scorer
from pytest_metaprompt.results import Attempt, Verdict
from pytest_metaprompt.scorers.values import read_choice
from pytest_metaprompt.scorers.verdicts import reply_of
from pytest_metaprompt.suites import Assertion

Scope = Literal["turn", "conversation"]

_WHOLE = frozenset(
    """
    contains icontains contains-any contains-all icontains-any icontains-all regex tool-call tool-calls tool-call-f1
    is-valid-openai-tools-call is-valid-function-call is-valid-openai-function-call
    """.split()  # noqa: SIM905  # a list literal would take 13 lines
)
"""The types that look for something that may have been said, or for calls; the others are about one reply as it is."""


@dataclass(frozen=True, slots=True)
class OfConversation:
    """Shows the inner scorer every text and every call of a conversation."""

    inner: Scorer

    async def score(self, attempt: Attempt) -> Verdict:
        """The inner scorer's verdict. A case that is no conversation has one turn, and both scopes are the same."""
        if not attempt.transcript:
            return await self.inner.score(attempt)
        said = [one.content for one in attempt.transcript if one.role == "assistant" and one.content]
        reply = replace(reply_of(attempt), text="\n\n".join(said), tool_calls=attempt.calls)
        return await self.inner.score(replace(attempt, reply=reply))


def scope_of(assertion: Assertion) -> Scope:
    """What the assertion looks at: its `scope`, else what its type says.

    Raises:
        MetapromptError: `scope` is neither `turn` nor `conversation`.
    """
    if "scope" not in assertion.settings:
        return "conversation" if assertion.kind in _WHOLE else "turn"
    return "conversation" if read_choice(assertion, "scope", ("turn", "conversation")) == "conversation" else "turn"
