"""`evals-match`: what the basic classes of OpenAI Evals ask of a reply, given the `ideal` of a sample.

Sources: https://github.com/openai/evals, `evals/elsuite/basic/match.py`, `includes.py`, `fuzzy_match.py` and
`json_match.py`, with `evals/elsuite/utils.py` for what a fuzzy match is.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pytest_metaprompt.results import Attempt, Verdict
from pytest_metaprompt.scorers.excerpts import excerpt, excerpt_reply
from pytest_metaprompt.scorers.json_values import NotJsonError, parse
from pytest_metaprompt.scorers.values import as_javascript, problem, read_choice
from pytest_metaprompt.scorers.verdicts import fails, holds, reply_of
from pytest_metaprompt.suites import Assertion, Json

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def _normalized(text: str) -> str:
    """Lower case, without punctuation and articles, single spaces."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def _fuzzy(reply: str, ideal: str) -> bool:
    """Whether one text holds the other, normalised; an empty one holds nothing but an empty one."""
    one, other = _normalized(reply), _normalized(ideal)
    return one == other if not (one and other) else one in other or other in one


def _same_json(reply: str, ideal: str) -> bool:
    try:
        return _json_equal(parse(reply), parse(ideal))
    except NotJsonError:
        return False


def _json_equal(one: Json, other: Json) -> bool:
    """Equality component by component, in which null equals nothing."""
    if one is None or other is None:
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_json_equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_json_equal(a, b) for a, b in zip(one, other, strict=True))
    return one == other


@dataclass(frozen=True, slots=True)
class _Mode:
    """How a reply is compared with one ideal answer, and what that is called."""

    matches: Callable[[str, str], bool]
    wanted: str


_MODES: Mapping[str, _Mode] = {
    "match": _Mode(lambda reply, ideal: reply.startswith(ideal), "start with"),
    "includes": _Mode(lambda reply, ideal: ideal in reply, "include"),
    "iincludes": _Mode(lambda reply, ideal: ideal.lower() in reply.lower(), "include, whatever the case,"),
    "fuzzy": _Mode(_fuzzy, "loosely match"),
    "json": _Mode(_same_json, "be the same JSON as"),
}


@dataclass(frozen=True, slots=True)
class EvalsMatch:
    """Holds if the reply matches any of the ideal answers."""

    ideals: tuple[str, ...]
    mode: _Mode

    async def score(self, attempt: Attempt) -> Verdict:
        """Compares the reply with each ideal answer in turn."""
        reply = reply_of(attempt)
        for ideal in self.ideals:
            if self.mode.matches(reply.text, ideal):
                return holds(f"the reply matches {excerpt(ideal)}")
        wanted = " or ".join(excerpt(ideal) for ideal in self.ideals)
        return fails(f"expected the reply to {self.mode.wanted} {wanted}, got {excerpt_reply(reply)}")


def open_evals_match(assertion: Assertion) -> EvalsMatch:
    """The scorer of an `evals-match`; the value is a text, or a list of texts of which one must match.

    Raises:
        MetapromptError: The value is empty or holds something else, or the mode is unknown.
    """
    mode = read_choice(assertion, "mode", tuple(_MODES))
    value = assertion.value
    held = value if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
    ideals = tuple(
        as_javascript(item) for item in held if isinstance(item, str | int | float) and not isinstance(item, bool)
    )
    if not ideals or len(ideals) < len(held):
        raise problem(assertion, "value must be a text, or a list of texts", hint='write  value: "{{ideal}}"')
    if "" in ideals and mode != "fuzzy":
        raise problem(assertion, "an ideal answer is empty, so it would match every reply")
    return EvalsMatch(ideals, _MODES[mode])
