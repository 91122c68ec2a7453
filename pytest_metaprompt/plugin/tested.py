"""One Python test of the session: what it is, and the run of it that is under way."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from pytest_metaprompt.plugin.asking import Line, TestRun
from pytest_metaprompt.plugin.verdicts_of_tests import read_phase
from pytest_metaprompt.routines import Routine
from pytest_metaprompt.suites import Case, Suite


@dataclass(frozen=True, slots=True)
class Plan:
    """Under what the next run of a test is made."""

    routine: Routine
    sample: int
    line: Line


@dataclass(slots=True)
class Tested:
    """A test that uses the `routine` fixture.

    `suite` holds its settings and no cases; `again` says whether a repair may run it, `led` that we run it and not
    pytest, `foreseen` that it is expected to fail.
    """

    item: pytest.Item
    suite: Suite
    case: Case
    plan: Plan
    again: bool
    led: bool = False
    foreseen: bool = False
    run: TestRun | None = None
    ended: TestRun | None = None

    def begun(self) -> TestRun:
        """The run under way; begun now if there is none."""
        if self.run is None:
            self.run = TestRun(self.case, self.suite, self.plan.routine, self.plan.sample, self.plan.line)
        return self.run

    def note(self, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
        """Take note of what pytest found in a phase; the teardown ends the run."""
        run = self.begun()
        finding = read_phase(call, report)
        run.findings.append(finding)
        self.foreseen = self.foreseen or finding.foreseen
        if call.excinfo is not None and call.excinfo.value is run.trouble:
            # Shown as an error, as it is for a case of a suite file.
            report.__dict__["metaprompt_error"] = True
        if report.when == "teardown":
            self.run, self.ended = None, run
