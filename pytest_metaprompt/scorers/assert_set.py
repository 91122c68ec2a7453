"""`assert-set`: several assertions that are judged as one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pytest_metaprompt.protocols import Scorer
from pytest_metaprompt.results import Attempt, Verdict
from pytest_metaprompt.scorers.excerpts import few
from pytest_metaprompt.scorers.values import problem, read_threshold, refuse_value
from pytest_metaprompt.suites import Assertion


@dataclass(frozen=True, slots=True)
class AssertSet:
    """Holds if every assertion with a weight does or, with a threshold, if their weighted mean score reaches it."""

    scorers: tuple[Scorer, ...]
    threshold: float | None

    async def score(self, attempt: Attempt) -> Verdict:
        """Judges each assertion in turn; what one raises passes through."""
        verdicts = tuple([await scorer.score(attempt) for scorer in self.scorers])
        weight = sum(verdict.weight for verdict in verdicts)
        score = sum(verdict.score * verdict.weight for verdict in verdicts) / weight
        failed = [f"{verdict.type}: {verdict.reason}" for verdict in verdicts if verdict.weight and not verdict.passed]
        passed = not failed if self.threshold is None else score >= self.threshold
        return Verdict("", passed, score, self._reason(score, passed, failed), children=verdicts)

    def _reason(self, score: float, passed: bool, failed: list[str]) -> str:
        if self.threshold is None:
            return few(failed) if failed else f"all {len(self.scorers)} assertions hold"
        lead = f"the score is {score:.3g}, {'at least' if passed else 'less than'} {self.threshold:g}"
        return f"{lead}: {few(failed)}" if failed else lead


def open_assert_set(assertion: Assertion, opened: Callable[[Assertion], Scorer]) -> AssertSet:
    """The scorer of an `assert-set`; `opened` opens its assertions.

    Raises:
        MetapromptError: What `check_assert_set` raises, and what opening one of them does.
    """
    check_assert_set(assertion)
    return AssertSet(tuple(opened(child) for child in assertion.children), assertion.threshold)


def check_assert_set(assertion: Assertion) -> None:
    """Returns if the set itself can work; its assertions are not looked at.

    Raises:
        MetapromptError: It has no assertions, or none with a weight, or a threshold that every reply would reach.
    """
    refuse_value(assertion)
    if not assertion.children:
        raise problem(assertion, "it has no assertions", hint="add  assert: [...]")
    if not any(child.weight > 0 for child in assertion.children):
        raise problem(assertion, "all its assertions have weight 0, so it would always hold")
    if assertion.threshold is not None:
        read_threshold(assertion, default=None)
