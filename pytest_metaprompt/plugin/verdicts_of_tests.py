"""What pytest found in one run of a test, as an outcome of ours with its reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pytest

from pytest_metaprompt.errors import MetapromptError
from pytest_metaprompt.results import Outcome

_WORST: tuple[Outcome, ...] = ("error", "failed", "skipped", "passed")


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of a phase, or of the whole. `foreseen` says that the test was expected to fail."""

    outcome: Outcome
    reason: str
    foreseen: bool = False


def read_phase(call: pytest.CallInfo[None], report: pytest.TestReport) -> Finding:
    """What a phase says: only an assertion that does not hold is a failure, any other exception is an error."""
    if hasattr(report, "wasxfail"):
        return Finding("skipped", f"expected to fail: {report.wasxfail}".rstrip(": "), foreseen=True)
    if call.excinfo is None:
        return Finding("passed", "the test passed") if report.passed else Finding("failed", report.longreprtext, True)
    if report.skipped:
        return Finding("skipped", str(call.excinfo.value))
    if report.when == "call" and _is_wrong_answer(call.excinfo.value):
        return Finding("failed", explanation(call.excinfo))
    return Finding("error", _trouble(call.excinfo, report.when))


def whole(findings: Iterable[Finding]) -> Finding:
    """The worst of the phases."""
    found = sorted(findings, key=lambda finding: _WORST.index(finding.outcome))
    return found[0] if found else Finding("error", "the test was not run")


def explanation(excinfo: pytest.ExceptionInfo[BaseException]) -> str:
    """Why an assertion does not hold, as pytest prints it behind its `E`."""
    text = excinfo.exconly(tryshort=True).strip()
    if text not in ("AssertionError", "assert"):
        return text
    # Assertions of modules that pytest does not rewrite explain nothing: the line itself does.
    return f"{text}: {str(excinfo.traceback[-1].statement).strip()}"


def _is_wrong_answer(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(_is_wrong_answer(inner) for inner in error.exceptions)
    return isinstance(error, AssertionError | pytest.fail.Exception)


def _trouble(excinfo: pytest.ExceptionInfo[BaseException], when: str | None) -> str:
    error = excinfo.value
    where = excinfo.traceback[-1]
    name = "" if isinstance(error, MetapromptError) else f"{type(error).__name__}: "
    place = "" if isinstance(error, MetapromptError) else f" ({where.path}:{where.lineno + 1})"
    return f"{'' if when == 'call' else f'{when}: '}{name}{error}{place}"
