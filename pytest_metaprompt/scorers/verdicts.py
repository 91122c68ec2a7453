"""How a scorer says what it found, and the one place where an assertion's name and weight are put on it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pytest_metaprompt.protocols import Scorer
from pytest_metaprompt.results import Attempt, Reply, Verdict
from pytest_metaprompt.suites import Assertion


def holds(reason: str) -> Verdict:
    """The assertion holds; `reason` says what was found. `Labelled` adds the type."""
    return Verdict(type="", passed=True, score=1.0, reason=reason)


def fails(reason: str) -> Verdict:
    """The assertion does not hold; `reason` says what differs. `Labelled` adds the type."""
    return Verdict(type="", passed=False, score=0.0, reason=reason)


def measured(score: float, *, passed: bool, reason: str) -> Verdict:
    """A verdict with a score between the two; `reason` says what was measured. `Labelled` adds the type."""
    return Verdict(type="", passed=passed, score=score, reason=reason)


def reply_of(attempt: Attempt) -> Reply:
    """The reply to judge. A scorer is never given an attempt without one."""
    assert attempt.reply is not None, "a scorer was given an attempt without a reply"
    return attempt.reply


@dataclass(frozen=True, slots=True)
class Labelled:
    """A scorer whose verdicts carry the type, weight and metric of its assertion."""

    assertion: Assertion
    inner: Scorer

    async def score(self, attempt: Attempt) -> Verdict:
        """The inner verdict with the assertion's label; what the inner scorer raises passes through."""
        verdict = await self.inner.score(attempt)
        label = self.assertion
        return replace(verdict, type=label.type, weight=label.weight, metric=label.metric)
