"""`tool-call-f1`: how well the tools that are called agree with those expected, by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pytest_metaprompt.protocols import Scorer
from pytest_metaprompt.results import Attempt, Reply, Verdict
from pytest_metaprompt.scorers.json_values import NotJsonError, Plain, parse
from pytest_metaprompt.scorers.values import read_text_values, read_threshold
from pytest_metaprompt.scorers.verdicts import measured, reply_of
from pytest_metaprompt.suites import Assertion


@dataclass(frozen=True, slots=True)
class ToolCallF1:
    """Holds if the F1 of expected and called names, each counted once, reaches the threshold; it is the score.

    F1 is the harmonic mean of precision and recall (C. J. van Rijsbergen, Information Retrieval, 1979).
    """

    expected: frozenset[str]
    threshold: float

    async def score(self, attempt: Attempt) -> Verdict:
        """Compares the names of the tools called."""
        called = called_names(reply_of(attempt))
        shared = len(self.expected & called)
        score = 2 * shared / (len(self.expected) + len(called))
        passed = score >= self.threshold
        lead = f"F1 is {score:.3g}, {'at least' if passed else 'less than'} {self.threshold:g}"
        reason = f"{lead}: expected {_listed(self.expected)}, called {_listed(called)}"
        return measured(score, passed=passed, reason=reason)


def open_tool_call_f1(assertion: Assertion) -> Scorer:
    """The scorer of a `tool-call-f1`; the threshold is 1 where none is given."""
    return ToolCallF1(frozenset(read_text_values(assertion)), read_threshold(assertion, default=1.0))


def called_names(reply: Reply) -> frozenset[str]:
    """The names of the tools called; where there are no calls, of those that the text describes as JSON.

    The forms of OpenAI (Chat Completions and Responses), Anthropic and Google are known.
    """
    if reply.tool_calls:
        return frozenset(call.name for call in reply.tool_calls)
    try:
        return frozenset(_names(parse(reply.text)))
    except NotJsonError:
        return frozenset()


def _names(value: Plain) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _names(item)
        return
    if not isinstance(value, dict):
        return
    if "name" in value and isinstance(value["name"], str):
        yield value["name"]
        return
    for key in ("tool_calls", "function", "functionCall", "toolCall", "functionCalls"):
        yield from _names(value.get(key))


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "none"
