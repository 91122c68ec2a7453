"""What happens when in a session: hooks that hand over, and the few decisions that concern pytest itself."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING

import pytest
from _pytest.terminal import TerminalReporter

from pytest_metaprompt.errors import MetapromptError
from pytest_metaprompt.plugin.fixtures import uses_routine
from pytest_metaprompt.plugin.keys import DESK, session_key, session_of
from pytest_metaprompt.plugin.options import Options

if TYPE_CHECKING:
    from pytest_metaprompt.plugin.desk import Desk, Worker
    from pytest_metaprompt.plugin.session import PromptSession, Tracked


FAILING = "failing"
REPAIRED = "repaired"


def open_baseline_of(state: PromptSession) -> None:
    """Read the baseline, if one is to be compared with; what is wrong with it is a problem of the session."""
    if state.options.baseline is None or state.comparing is not None:
        return
    from pytest_metaprompt.plugin.comparing import Comparing, open_baseline

    try:
        state.comparing = Comparing(state, open_baseline(state.options.baseline))
    except MetapromptError as error:
        state.problems.append(error)


def save_baseline_of(state: PromptSession) -> None:
    """Write the baseline, if that was asked for."""
    if state.options.save_baseline is not None:
        from pytest_metaprompt.plugin.comparing import try_to_save

        try_to_save(state, state.options.save_baseline)


def tracked_items(state: PromptSession, items: Iterable[pytest.Item]) -> list[Tracked]:
    """Those of the items that are ours."""
    from pytest_metaprompt.plugin.collection import CaseItem, GateItem
    from pytest_metaprompt.plugin.session import Tracked

    found = []
    for item in items:
        if isinstance(item, CaseItem | GateItem):
            case = item.case.id if isinstance(item, CaseItem) else None
            found.append(Tracked(item.nodeid, item.loaded.suite.key, case))
        elif (test := state.tests.of(item)) is not None:
            found.append(Tracked(item.nodeid, test.suite.key, test.case.id))
    return found


def _show_problem(item: pytest.Item, excinfo: pytest.ExceptionInfo[BaseException], report: pytest.TestReport) -> None:
    from pytest_metaprompt.plugin.collection import CaseItem, CaseProblemError

    if isinstance(item, CaseItem) and isinstance(excinfo.value, CaseProblemError):
        # pytest asks an item for its page only when its call failed, not its setup.
        report.longrepr = item.repr_failure(excinfo)
        if item.loaded.suite.gate is not None:
            report.outcome = "skipped"
            report.wasxfail = "the gate judges the suite"
            report.__dict__["metaprompt_failing"] = excinfo.value.result.outcome


def _keep_headline(report: pytest.TestReport) -> None:
    """Keep what the summary tells of a page of ours, for a controller of pytest-xdist, which gets its text alone."""
    from pytest_metaprompt.plugin.terminal import crash_of

    crash = crash_of(report.longrepr)
    if crash is not None:
        report.__dict__["metaprompt_crash"] = crash


class Hooks:
    """The hooks of one session."""

    def __init__(self, config: pytest.Config, options: Options) -> None:
        self.config = config
        self.options = options
        self._desk: Desk | None = None
        self._python: list[pytest.Item] = []

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Find the Python tests that use our fixture, before any is deselected."""
        if uses_routine(item):
            self._python.append(item)

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Make suites of the Python tests; leave out suites without changes, if that was asked for."""
        if self._python:
            session_of(config).tests.add(self._python)
        if self._used is not None and self.options.changed is not None:
            from pytest_metaprompt.plugin.changed import keep_changed

            dropped = keep_changed(self._used, items, self.options.changed)
            config.hook.pytest_deselected(items=dropped)
            self._used.all_unchanged = bool(dropped) and not items

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """Run a Python test ourselves where it is to be run several times, or again for a repair."""
        if not self._python or self._used is None:
            return None
        return self._used.tests.run_here(item, nextitem) or None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Refuse to run with a suite file that cannot be used; note what is selected."""
        if self._used is not None and self._used.in_worker:
            self._used.select(tracked_items(self._used, session.items))
            if not self._used.may_run:
                session.items.clear()  # Before pytest-xdist tells the controller what there is to run.
            return (yield)
        result = yield
        if self._used is not None:
            open_baseline_of(self._used)
            self._refuse_problems(self._used)
            self._used.select(tracked_items(self._used, session.items))
        return result

    def _refuse_problems(self, state: PromptSession) -> None:
        if state.problems:
            raise pytest.UsageError(*dict.fromkeys(str(problem) for problem in state.problems))

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Worker) -> None:
        """Tell a worker of pytest-xdist whom to ask."""
        from pytest_metaprompt.plugin.desk import Desk

        if self._desk is None:
            self._desk = Desk(self.config)
        node.workerinput[DESK] = self._desk.line_for(node)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Worker, error: object) -> None:
        """Count on a worker of pytest-xdist no more."""
        if self._desk is not None:
            self._desk.left(node, died=error is not None)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """A failing case under a gate is shown, and left to the gate to judge."""
        report = yield
        if self._used is not None:
            if call.excinfo is not None:
                _show_problem(item, call.excinfo, report)
                _keep_headline(report)
            if self._python:
                self._used.tests.note(item, call, report)
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_report_from_serializable(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Give a page that came from a worker as text its line for the summary again."""
        report = yield
        crash = getattr(report, "metaprompt_crash", None)
        if crash is not None and isinstance(report.longrepr, str):
            from pytest_metaprompt.plugin.terminal import ToldPage

            report.longrepr = ToldPage(report.longrepr, crash)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(
        self, report: pytest.TestReport | pytest.CollectReport
    ) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
        """The letter and word of a failing case under a gate, and of a Python test whose call went wrong."""
        if getattr(report, "metaprompt_error", False):
            return "error", "E", ("ERROR", {"red": True})
        outcome = getattr(report, "metaprompt_failing", None)
        if outcome is None:
            return None
        letter, word = ("e", "ERROR (gated)") if outcome == "error" else ("f", "FAILING (gated)")
        return FAILING, letter, (word, {"yellow": True})

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """After the tests: repair, if that was asked for."""
        try:
            result = yield
        except (session.Failed, session.Interrupted):
            if self._used is not None and self.options.fix:
                self._used.notes.append("not repaired: the run was stopped before its end")
            raise
        finally:
            if self._desk is not None:
                self._desk.stop_watching()
        if self._used is not None and not self._used.in_worker and not self.config.option.collectonly:
            self._refuse_problems(self._used)
            from pytest_metaprompt.plugin.after import compare_with_baseline, mutate, repair_and_recount

            compare_with_baseline(self._used)
            if self.options.fix and self._used.out_of_time:
                self._used.notes.append("not repaired: the time of the run was up (raise --metaprompt-timeout)")
            elif self.options.fix:
                repair_and_recount(self._used, session)
            if self.options.mutate:
                mutate(self._used, session)
            save_baseline_of(self._used)
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Write the reports, stop what is under way, and set the exit code; at last, correct what --lf runs next."""
        if self._desk is not None or self._used is not None:
            from pytest_metaprompt.plugin.interrupts import interrupts_held

            with interrupts_held() as held:
                self._finish(session)
            if held.came:
                session.exitstatus = pytest.ExitCode.INTERRUPTED
        result = yield
        if self._used is not None:
            from pytest_metaprompt.plugin.last_failed import correct_last_failed

            correct_last_failed(self._used, self.config)
        return result

    def _finish(self, session: pytest.Session) -> None:
        if self._desk is not None:
            self._desk.close()
        if self._used is not None:
            from pytest_metaprompt.plugin.after import finish

            if self._used.all_unchanged and session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
                session.exitstatus = pytest.ExitCode.OK
            finish(self._used, session)

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self, config: pytest.Config) -> None:
        """Let go of all that is known of the cases, before pytest searches through all objects for what was lost."""
        if self._used is not None:
            del config.stash[session_key]

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """The table of suites and the evidence of repairs."""
        if self._used is not None and self._used.suites:
            from pytest_metaprompt.plugin.summary import summarise

            summarise(self._used, terminalreporter)

    @property
    def _used(self) -> PromptSession | None:
        """The session's state, if a suite file was met."""
        return self.config.stash.get(session_key, None)
