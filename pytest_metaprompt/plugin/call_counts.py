"""How many calls an asking of a case takes, by who is asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pytest_metaprompt.clients.models import read_model
from pytest_metaprompt.plugin.grading import embedding_of
from pytest_metaprompt.results import CaseResult
from pytest_metaprompt.scorers import GRADED, SIMILAR
from pytest_metaprompt.suites import Assertion, Case, ModelSpec, Suite

_GRADED_CALLS = {"answer-relevance": 5, "g-eval": 2, **dict.fromkeys(SIMILAR, 2)}
"""The calls that a verdict takes, where it is more than one."""


@dataclass(frozen=True, slots=True)
class CallCount:
    """The calls of the target, of whoever plays the customer, and for verdicts."""

    target: float
    customer: float
    judge: float

    @property
    def total(self) -> float:
        """All of them."""
        return self.target + self.customer + self.judge


def calls_of(result: CaseResult) -> CallCount:
    """What one asking of a case took in the test run."""
    made = max((len(attempt.exchanges) for attempt in result.attempts), default=0)
    said = max((sum(one.role == "assistant" for one in attempt.transcript) for attempt in result.attempts), default=0)
    target = max(1, made, said)
    played = result.case.simulation is not None and result.case.simulation.persona is not None
    return CallCount(target, target if played else 0, sum(map(_graded_calls, result.case.assertions)))


def mean_of(results: list[CaseResult]) -> CallCount:
    """What an asking takes on average."""
    counts = [calls_of(result) for result in results]
    size = len(counts) or 1
    return CallCount(
        sum(one.target for one in counts) / size,
        sum(one.customer for one in counts) / size,
        sum(one.judge for one in counts) / size,
    )


def judged_by(suite: Suite, case: Case) -> Iterator[tuple[ModelSpec | None, int]]:
    """Who is asked for the verdicts on a case, and how often; None where the suite does not say."""
    for assertion in (part for whole in case.assertions for part in whole.parts):
        calls = _own_calls(assertion)
        if calls and "provider" in assertion.settings:
            yield read_model(assertion.settings["provider"]), calls
        elif calls:
            yield embedding_of(suite) if assertion.kind in SIMILAR else suite.judge, calls


def _own_calls(assertion: Assertion) -> int:
    return _GRADED_CALLS.get(assertion.kind, 1) if assertion.kind in GRADED else 0


def _graded_calls(assertion: Assertion) -> int:
    return sum(map(_own_calls, assertion.parts))
