"""Intervals and gates, against published values."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_metaprompt.errors import Place
from pytest_metaprompt.results import CaseResult, Outcome, Run
from pytest_metaprompt.stats import accuracy, binomial_tail, judge_gate, mcnemar_p, run_accuracy
from pytest_metaprompt.suites import Case, GateSettings, RoutineRef, Suite


def run_of(*outcomes: Outcome) -> Run:
    cases = [Case(str(at), Place("s", at)) for at in range(len(outcomes))]
    suite = Suite(Path("s"), RoutineRef(inline="x"), tuple(cases))
    return Run(suite, tuple(CaseResult(case, (), outcome) for case, outcome in zip(cases, outcomes, strict=True)))


@pytest.mark.parametrize(
    ("passed", "total", "low", "high"),
    # R. G. Newcombe, Statistics in Medicine 17 (1998) 857, table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_is_wilsons(passed: int, total: int, low: float, high: float) -> None:
    found = accuracy(passed, total)
    assert found.low == pytest.approx(low, abs=5e-5)
    assert found.high == pytest.approx(high, abs=5e-5)


def test_nothing_of_nothing_is_known_to_be_anything() -> None:
    assert (accuracy(0, 0).low, accuracy(0, 0).high) == (0.0, 1.0)


@given(total=st.integers(1, 500), data=st.data())
def test_the_interval_holds_the_share(total: int, data: st.DataObject) -> None:
    passed = data.draw(st.integers(0, total))
    found = accuracy(passed, total)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_mcnemars_exact_p() -> None:
    assert mcnemar_p(0, 0) == 1.0
    assert mcnemar_p(1, 0) == 1.0
    assert mcnemar_p(10, 0) == pytest.approx(2 / 1024)
    assert mcnemar_p(6, 2) == pytest.approx(0.2890625)


def test_the_binomial_tail() -> None:
    assert binomial_tail(0, 3, 0.5) == pytest.approx(0.125)
    assert binomial_tail(3, 3, 0.5) == pytest.approx(1.0)


def test_errors_count_against_the_accuracy_and_skipped_cases_do_not_count() -> None:
    found = run_accuracy(run_of("passed", "failed", "error", "skipped"))
    assert (found.passed, found.total) == (1, 3)


@pytest.mark.parametrize(
    ("settings", "passed", "reason"),
    [
        (GateSettings(min_accuracy=0.7), True, "accuracy 7/10 = 0.70 (0.40-0.89), at least 0.7"),
        (GateSettings(min_accuracy=0.71), False, "accuracy 7/10 = 0.70 (0.40-0.89), less than 0.71"),
        (
            GateSettings(min_accuracy=0.7, confidence=0.95),
            False,
            "accuracy, lower bound at 0.95 confidence, 0.442 from 7/10, less than 0.7",
        ),
        (GateSettings(max_errors=1), True, "errors 1, at most 1"),
        (GateSettings(max_errors=0), False, "errors 1, more than 0"),
        (GateSettings(max_regressions=1), True, "regressions 0 and errors 1, at most 1"),
        (GateSettings(max_regressions=0), False, "regressions 0 and errors 1, more than 0"),
        (GateSettings(min_score=0.5), False, "mean score 0.000 of 10 cases, less than 0.5"),
    ],
)
def test_a_gate_says_what_it_compared(settings: GateSettings, passed: bool, reason: str) -> None:
    judged = judge_gate(settings, run_of(*["passed"] * 7, "failed", "failed", "error"), regressed=())
    assert judged.passed is passed
    assert judged.reasons == (reason,)


def test_a_gate_that_allows_errors_does_not_count_them_as_regressions() -> None:
    judged = judge_gate(GateSettings(max_regressions=0, max_errors=1), run_of("passed", "error"), regressed=())
    assert (judged.passed, judged.reasons) == (True, ("errors 1, at most 1", "regressions 0, at most 0"))


def test_what_was_not_reached_is_told_first() -> None:
    gate = GateSettings(min_accuracy=0.5, max_errors=0, tags={"hard": GateSettings(min_accuracy=1)})
    judged = judge_gate(gate, run_of("passed", "passed", "error"))
    assert [reason.partition(" ")[0] for reason in judged.reasons] == ["errors", "tag", "accuracy"]
