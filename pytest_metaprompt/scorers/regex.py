"""`regex`: a pattern that must match somewhere in the reply, Python's own or, in promptfoo's dialect, JavaScript's."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pytest_metaprompt.results import Attempt, Verdict
from pytest_metaprompt.scorers.excerpts import excerpt, excerpt_reply
from pytest_metaprompt.scorers.javascript_regex import compile_javascript
from pytest_metaprompt.scorers.values import problem, read_text_value
from pytest_metaprompt.scorers.verdicts import fails, holds, reply_of
from pytest_metaprompt.suites import Assertion

_JAVASCRIPT_GROUP = re.compile(r"\(\?<[A-Za-z_]")


@dataclass(frozen=True, slots=True)
class Regex:
    """Holds if the pattern matches anywhere in the reply."""

    pattern: re.Pattern[str]

    async def score(self, attempt: Attempt) -> Verdict:
        """Searches the reply for the pattern."""
        reply = reply_of(attempt)
        found = self.pattern.search(reply.text)
        if found:
            return holds(f"{excerpt(found[0])} matches {self.pattern.pattern!r}")
        return fails(f"expected a match of {self.pattern.pattern!r}, got {excerpt_reply(reply)}")


def open_regex(assertion: Assertion) -> Regex:
    """The scorer of a `regex`.

    Raises:
        MetapromptError: The pattern is missing, empty, or not one that Python can read.
    """
    pattern = read_text_value(assertion)
    try:
        return Regex(compile_javascript(pattern) if assertion.dialect == "promptfoo" else re.compile(pattern))
    except (re.error, OverflowError, RecursionError) as error:
        named = _JAVASCRIPT_GROUP.search(pattern)
        hint = "Python writes a named group (?P<name>...)" if named else None
        raise problem(assertion, f"invalid pattern {pattern!r}: {error}", hint=hint) from None
