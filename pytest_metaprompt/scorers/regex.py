"""`regex`: a pattern that must match somewhere in the reply, Python's own or, in promptfoo's dialect, JavaScript's."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

from pytest_metaprompt.errors import ScorerError
from pytest_metaprompt.results import Attempt, Verdict
from pytest_metaprompt.scorers.excerpts import excerpt, excerpt_reply
from pytest_metaprompt.scorers.javascript_regex import compile_javascript
from pytest_metaprompt.scorers.regex_search import SECONDS, EndlessSearchError, may_take_long, search_apart
from pytest_metaprompt.scorers.values import problem, read_text_value
from pytest_metaprompt.scorers.verdicts import fails, holds, reply_of
from pytest_metaprompt.suites import Assertion

_JAVASCRIPT_GROUP = re.compile(r"\(\?<[A-Za-z_]")


@dataclass(frozen=True, slots=True)
class Regex:
    """Holds if the pattern matches anywhere in the reply."""

    assertion: Assertion
    pattern: re.Pattern[str]

    async def score(self, attempt: Attempt) -> Verdict:
        """Searches the reply for the pattern.

        Raises:
            ScorerError: The search would not come to an end.
        """
        reply = reply_of(attempt)
        found = await self._search(reply.text)
        if found is not None:
            return holds(f"{excerpt(found)} matches {self.pattern.pattern!r}")
        return fails(f"expected a match of {self.pattern.pattern!r}, got {excerpt_reply(reply)}")

    async def _search(self, text: str) -> str | None:
        if not may_take_long(self.pattern.pattern, text):
            found = self.pattern.search(text)
            return None if found is None else found[0]
        try:
            return await asyncio.to_thread(search_apart, self.pattern, text)
        except EndlessSearchError:
            what = f"{self.assertion.type}: the search for {self.pattern.pattern!r} did not end in {SECONDS:g} seconds"
            hint = "repeat nothing that repeats itself: write (a+) in place of (a+)+"
            raise ScorerError(what, where=self.assertion.where, hint=hint) from None


def open_regex(assertion: Assertion) -> Regex:
    """The scorer of a `regex`.

    Raises:
        MetapromptError: The pattern is missing, empty, or not one that Python can read.
    """
    pattern = read_text_value(assertion)
    try:
        compiled = compile_javascript(pattern) if assertion.dialect == "promptfoo" else re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        named = _JAVASCRIPT_GROUP.search(pattern)
        hint = "Python writes a named group (?P<name>...)" if named else None
        raise problem(assertion, f"invalid pattern {pattern!r}: {error}", hint=hint) from None
    return Regex(assertion, compiled)
