"""How a run stands, told apart by what went wrong: wrong answers, gates, and trouble with providers or checks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_metaprompt.reports.parts import Report


@dataclass(frozen=True, slots=True)
class Standing:
    """Counts of cases, but for `gates_failed`. A case that failed in a suite with a gate is `left_to_gates`, because it
    does not fail the run by itself; a `repaired` one failed and passes under the routine that is on disk now."""

    passed: int = 0
    failed: int = 0
    left_to_gates: int = 0
    gates_failed: int = 0
    errors: int = 0
    repaired: int = 0
    skipped: int = 0

    def __str__(self) -> str:
        return ", ".join(_words(self)) or "nothing was run"


def _words(standing: Standing) -> Iterator[str]:
    if standing.failed:
        yield f"{cases(standing.failed)} failed"
    if standing.gates_failed:
        yield f"{standing.gates_failed} gate{_s(standing.gates_failed)} failed"
    if standing.errors:
        yield f"{standing.errors} error{_s(standing.errors)} of providers or checks"
    if standing.left_to_gates:
        yield f"{standing.left_to_gates} failing case{_s(standing.left_to_gates)} left to gates"
    if standing.repaired:
        yield f"{cases(standing.repaired)} repaired"
    if standing.passed > standing.repaired:
        yield f"{cases(standing.passed - standing.repaired)} passed"
    if standing.skipped:
        yield f"{cases(standing.skipped)} skipped"


def cases(count: int) -> str:
    """A number of cases in words."""
    return f"{count} case{_s(count)}"


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def standing_of(report: Report) -> Standing:
    """How a report's suites and gates stand in the end, after any repair."""
    cases = [(suite["gated"], case) for suite in report["suites"] for case in suite["cases"]]
    return count_standing(
        [(gated, case.get("now", case["outcome"])) for gated, case in cases],
        gates_failed=sum(not gate["passed"] for gate in report["gates"]),
        repaired=sum(case.get("now") == "passed" != case["outcome"] for _, case in cases),
    )


def count_standing(found: Sequence[tuple[bool, str]], *, gates_failed: int, repaired: int = 0) -> Standing:
    """How cases stand, given for each whether a gate judges it, and its outcome."""
    outcomes = [outcome for _, outcome in found]
    return Standing(
        passed=outcomes.count("passed"),
        failed=found.count((False, "failed")),
        left_to_gates=found.count((True, "failed")),
        gates_failed=gates_failed,
        errors=outcomes.count("error"),
        repaired=repaired,
        skipped=outcomes.count("skipped"),
    )
