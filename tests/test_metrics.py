"""Named scores and what formulas make of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_metaprompt.errors import Place
from pytest_metaprompt.metrics import attempt_metrics, evaluate, run_metrics
from pytest_metaprompt.results import Attempt, CaseResult, Run, Verdict
from pytest_metaprompt.suites import Case, Column, RoutineRef, Suite

CASE = Case("c", Place("x"))
INNER = Verdict("contains", True, 1.0, "", metric="In")
ATTEMPT = Attempt(
    CASE,
    verdicts=(
        Verdict("a", True, 1.0, "", metric="M"),
        Verdict("b", False, 0.0, "", weight=3, metric="M"),
        Verdict("assert-set", True, 0.5, "", weight=2, metric="Set", children=(INNER,)),
        Verdict("c", True, 1.0, ""),
    ),
)


def test_scores_add_up_by_weight_and_a_set_weighs_its_parts() -> None:
    column = Column(Path(), "p", "e", derived=(("Double", "M * 2"), ("Next", "Double + 1"), ("None", "Other + 1")))
    suite = Suite(Path("x"), RoutineRef(), (CASE,), column=column)
    run = Run(suite, (CaseResult(CASE, (ATTEMPT, ATTEMPT), "passed"),))
    assert run_metrics(run) == {"M": 2.0, "Set": 2.0, "In": 4.0, "Double": 4.0, "Next": 5.0, "None": None}
    assert attempt_metrics(ATTEMPT) == {"M": 0.25, "Set": 0.5, "In": 1.0}


@pytest.mark.parametrize(
    ("formula", "value"),
    [("(A + B) / 2", 2.0), ("-A ^ 2 + 1.5", 0.5), ("max(A, B) / __count", 0.75), ("sqrt(B + 1) % 2", 0.0)],
)
def test_a_formula_computes(formula: str, value: float) -> None:
    assert evaluate(formula, {"A": 1, "B": 3, "__count": 4}) == value


@pytest.mark.parametrize("formula", ["A / 0", "A +", "open('x')", "A.real", "'a' * 3", "[1]", "9 ^ 9 ^ 9 ^ 9", ""])
def test_what_is_no_formula_has_no_value(formula: str) -> None:
    assert evaluate(formula, {"A": 1}) is None
