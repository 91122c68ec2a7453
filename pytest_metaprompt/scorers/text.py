"""`contains`, `icontains` and `starts-with`: a text that the reply must hold."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_metaprompt.results import Attempt, Verdict
from pytest_metaprompt.scorers.excerpts import excerpt, excerpt_reply
from pytest_metaprompt.scorers.values import read_text_value
from pytest_metaprompt.scorers.verdicts import fails, holds, reply_of
from pytest_metaprompt.suites import Assertion


@dataclass(frozen=True, slots=True)
class Contains:
    """Holds if the text stands anywhere in the reply; `any_case` takes upper and lower case for the same."""

    text: str
    any_case: bool

    async def score(self, attempt: Attempt) -> Verdict:
        """Looks for the text in the reply."""
        reply = reply_of(attempt)
        if self.text in reply.text or (self.any_case and self.text.lower() in reply.text.lower()):
            return holds(f"the reply contains {excerpt(self.text)}")
        reason = f"expected the reply to contain {excerpt(self.text)}, got {excerpt_reply(reply)}"
        only_case = self.text.lower() in reply.text.lower()
        return fails(f"{reason} (it is there in other upper and lower case)" if only_case else reason)


@dataclass(frozen=True, slots=True)
class StartsWith:
    """Holds if the reply begins with the text, to the letter."""

    text: str

    async def score(self, attempt: Attempt) -> Verdict:
        """Compares the beginning of the reply."""
        reply = reply_of(attempt)
        if reply.text.startswith(self.text):
            return holds(f"the reply starts with {excerpt(self.text)}")
        reason = f"expected the reply to start with {excerpt(self.text)}, got {excerpt_reply(reply)}"
        later = self.text in reply.text
        return fails(f"{reason} (it is there, but not at the start)" if later else reason)


def open_contains(assertion: Assertion) -> Contains:
    """The scorer of a `contains`."""
    return Contains(read_text_value(assertion), any_case=False)


def open_icontains(assertion: Assertion) -> Contains:
    """The scorer of an `icontains`."""
    return Contains(read_text_value(assertion), any_case=True)


def open_starts_with(assertion: Assertion) -> StartsWith:
    """The scorer of a `starts-with`."""
    return StartsWith(read_text_value(assertion))
