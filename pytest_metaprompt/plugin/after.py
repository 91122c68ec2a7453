"""What follows the tests: repairs and what they change in pytest's count, reports, the exit code."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from _pytest.terminal import TerminalReporter

from pytest_metaprompt.plugin.case_results import CaseKey
from pytest_metaprompt.plugin.hooks import FAILING, REPAIRED
from pytest_metaprompt.plugin.junit import AfterRepair, Truth, case_properties, gate_properties
from pytest_metaprompt.plugin.running import set_aside
from pytest_metaprompt.plugin.session import PromptSession, Tracked
from pytest_metaprompt.plugin.terminal import terminal_of
from pytest_metaprompt.results import GateResult, Run
from pytest_metaprompt.suites import SuiteKey


def compare_with_baseline(state: PromptSession) -> None:
    """Note what is not as it was in the baseline."""
    if state.comparing is None:
        return
    from pytest_metaprompt.plugin.comparing import comparison_notes

    state.notes.extend(f"{name}: only in the baseline: the suite's file is gone" for name in state.comparing.lost())
    for key, run in state.runs().items():
        loaded = state.suites[key]
        if loaded.python:
            continue
        found = state.comparison(loaded, run) if run.complete else None
        if found is not None:
            state.notes.extend(comparison_notes(state.comparing, loaded, found))
        elif run.results:
            why = "it has no entry there" if run.complete else "some of its cases were not run"
            state.notes.append(f"{loaded.name}: not compared with the baseline: {why}")


def repair_and_recount(state: PromptSession, session: pytest.Session) -> None:
    """Repair every failing routine; afterwards pytest counts what is true of the files as they are on disk now."""
    from pytest_metaprompt.plugin.repairing import repair_all
    from pytest_metaprompt.plugin.settling import write_patch
    from pytest_metaprompt.plugin.swapping import ask_replaced

    terminal = terminal_of(session.config)
    if terminal is not None:
        terminal.ensure_newline()
    if state.options.fix_note is not None:
        state.notes.append(state.options.fix_note)
    ask_replaced(state)
    with set_aside(session, state.notes.append):
        state.repairs.extend(repair_all(state, state.waiting.write))
    write_patch(state)
    for repair in state.repairs:
        if repair.status == "applied":
            state.final.update({run.suite.key: _completed(state, run) for run in repair.runs})
    _recount(state, session, terminal)


def _completed(state: PromptSession, run: Run) -> Run:
    """The run, with what the repair left out, such as tests that must not be run again, as the session found it."""
    found = {result.case.id: result for result in run.results}
    before = state.runs()[run.suite.key]
    return Run(before.suite, tuple(found.get(result.case.id, result) for result in before.results))


def mutate(state: PromptSession, session: pytest.Session) -> None:
    """Find what no case guards."""
    from pytest_metaprompt.plugin.mutating import mutate_all

    terminal = terminal_of(session.config)
    if terminal is not None:
        terminal.ensure_newline()
    with set_aside(session, state.notes.append):
        mutate_all(state, lambda text: None if terminal is None else terminal.write_line(text))


def _recount(state: PromptSession, session: pytest.Session, terminal: TerminalReporter | None) -> None:
    was, now = (good_items(state, runs) for runs in (state.runs(), state.final_runs()))
    better, worse = now - was, was - now
    if terminal is not None:
        _move(terminal, better)
    counted = [one.nodeid for one in state.tracked if _counts(state, one)]
    session.testsfailed += len(worse.intersection(counted)) - len(better.intersection(counted))
    state.notes.extend(f"{nodeid} passed before the repair and fails now" for nodeid in sorted(worse))
    path = session.config.getoption("xmlpath", None)
    if path and state.final:
        told = AfterRepair(_xml_path(session.config, path), dict(_truths(state)), repaired=frozenset(better))
        session.config.pluginmanager.register(told, "metaprompt-junit")


def _xml_path(config: pytest.Config, given: str) -> Path:
    """Where pytest writes the XML: as it reads the option itself."""
    return config.invocation_params.dir / Path(os.path.expandvars(given)).expanduser()


def _truths(state: PromptSession) -> Iterator[tuple[str, Truth]]:
    """What is true now of every item of a suite whose routine was repaired."""
    results = {CaseKey(key, result.case.id): result for key, run in state.final.items() for result in run.results}
    for item in state.tracked:
        loaded = state.suites[item.suite]
        if item.key is not None and item.key in results:
            result = results[item.key]
            told = case_properties(item.nodeid, loaded.name, loaded.suite, result)
            yield item.nodeid, Truth(told, result, gated=loaded.suite.gate is not None)
        elif item.key is None and item.suite in state.final:
            judged = state.judge(loaded, runs=state.final)
            if isinstance(judged, GateResult):
                told = gate_properties(item.nodeid, loaded.name, judged.reasons)
                yield item.nodeid, Truth(told, reached=judged.passed)


def good_items(state: PromptSession, runs: Mapping[SuiteKey, Run]) -> set[str]:
    """The node ids of the cases that passed and the gates that were reached in these runs."""
    passed = {CaseKey(key, one.case.id) for key, run in runs.items() for one in run.results if one.outcome == "passed"}
    good = set()
    for item in state.tracked:
        if item.key in passed:
            good.add(item.nodeid)
        if item.key is None:
            judged = state.judge(state.suites[item.suite], runs=runs)
            if isinstance(judged, GateResult) and judged.passed:
                good.add(item.nodeid)
    return good


def _counts(state: PromptSession, item: Tracked) -> bool:
    """Whether the item fails the run by itself; a case under a gate does not."""
    return item.key is None or state.suites[item.suite].suite.gate is None


def _move(terminal: TerminalReporter, nodeids: set[str]) -> None:
    """Count the reports of these items as repaired."""
    for category in ("failed", "error", FAILING):
        reports = terminal.stats.get(category, [])
        moved = [report for report in reports if getattr(report, "nodeid", None) in nodeids]
        terminal.stats[category] = [report for report in reports if report not in moved]
        terminal.stats.setdefault(REPAIRED, []).extend(moved)


def finish(state: PromptSession, session: pytest.Session) -> None:
    """Stop what is under way, write the reports, set the exit code."""
    state.close()
    if state.in_worker:
        return
    state.notes.extend(state.models.cassettes.finish(is_whole=state.ran_whole))
    state.notes.extend(state.models.notes)
    if state.models.batching is not None:
        state.notes.extend(state.models.batching.notes)
    from pytest_metaprompt.plugin.keeping import keep
    from pytest_metaprompt.plugin.report_files import write_reports

    keep(state)
    write_reports(state)
    applied = any(repair.status == "applied" for repair in state.repairs)
    if applied and state.options.exit_non_zero_on_fix and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
