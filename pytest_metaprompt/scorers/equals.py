"""`equals`: the reply is the value. A list or an object is compared as JSON, anything else as text, untrimmed."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from pytest_metaprompt.embedded.escapes import alike
from pytest_metaprompt.protocols import Scorer
from pytest_metaprompt.results import Attempt, Verdict
from pytest_metaprompt.scorers.excerpts import excerpt, excerpt_reply
from pytest_metaprompt.scorers.json_compare import AllOrNothing, JsonCompare
from pytest_metaprompt.scorers.json_values import STRICT, is_finite, plain
from pytest_metaprompt.scorers.values import as_javascript, problem
from pytest_metaprompt.scorers.verdicts import fails, holds, reply_of
from pytest_metaprompt.suites import Assertion


@dataclass(frozen=True, slots=True)
class EqualsText:
    """Holds if the reply is the text, to the letter."""

    expected: str

    async def score(self, attempt: Attempt) -> Verdict:
        """Compares the whole reply with the text."""
        reply = reply_of(attempt)
        if reply.text == self.expected:
            return holds(f"the reply is {excerpt(self.expected)}")
        near = alike(self.expected, reply.text)
        reason = f"expected {excerpt(self.expected, near=near)}, got {excerpt_reply(reply, near=near)}"
        hint = _likeness(self.expected, reply.text)
        return fails(f"{reason} ({hint})" if hint else reason)


def open_equals(assertion: Assertion) -> Scorer:
    """The scorer of an `equals`.

    Raises:
        MetapromptError: The value is a list or an object that JSON cannot hold.
    """
    value = plain(assertion.value)
    if not isinstance(value, dict | list):
        return EqualsText(as_javascript(value))
    if not is_finite(value):
        raise problem(assertion, "value holds NaN or infinity, which JSON cannot, so no reply would match")
    return AllOrNothing(JsonCompare(value, STRICT))


def _likeness(expected: str, actual: str) -> str | None:
    """What the two have in common in spite of it all, if anything."""
    if _squeezed(expected) == _squeezed(actual):
        return "they differ only in whitespace"
    if expected.casefold() == actual.casefold():
        return "they differ only in upper and lower case"
    if _squeezed(expected).casefold() == _squeezed(actual).casefold():
        return "they differ only in whitespace and in upper and lower case"
    if unicodedata.normalize("NFC", expected) == unicodedata.normalize("NFC", actual):
        return "they look alike, but are written with different Unicode characters"
    return "the reply contains it, with more around it" if expected and expected in actual else None


def _squeezed(text: str) -> str:
    return "".join(text.split())
