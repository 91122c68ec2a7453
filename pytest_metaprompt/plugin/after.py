"""What follows the tests: repairs and what they change in pytest's count, reports, the summary, the exit code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pytest
from _pytest.terminal import TerminalReporter

from pytest_metaprompt.plugin.collection import CaseItem, GateItem
from pytest_metaprompt.plugin.hooks import FAILING, REPAIRED
from pytest_metaprompt.plugin.running import set_aside
from pytest_metaprompt.plugin.session import CaseKey, LoadedSuite, PromptSession
from pytest_metaprompt.plugin.terminal import HEADING, cost_words, suite_row, write_failing, write_repair, write_table
from pytest_metaprompt.results import GateResult, RepairOutcome, Run
from pytest_metaprompt.suites import SuiteKey


def compare_with_baseline(state: PromptSession) -> None:
    """Note what is not as it was in the baseline."""
    if state.comparing is None:
        return
    from pytest_metaprompt.plugin.comparing import comparison_notes

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

    terminal = _terminal(session.config)

    def say(text: str) -> None:
        if terminal is not None:
            terminal.write_line(text)

    if terminal is not None:
        terminal.ensure_newline()
    if state.options.fix_note is not None:
        state.notes.append(state.options.fix_note)
    with set_aside(session, state.notes.append):
        state.repairs.extend(repair_all(state, say))
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


def _recount(state: PromptSession, session: pytest.Session, terminal: TerminalReporter | None) -> None:
    was, now = (_good_items(state, session.items, runs) for runs in (state.runs(), state.final_runs()))
    better, worse = now - was, was - now
    if terminal is not None:
        _move(terminal, better)
    counted = [item.nodeid for item in session.items if _counts(state, item)]
    session.testsfailed += len(worse.intersection(counted)) - len(better.intersection(counted))
    state.notes.extend(f"{nodeid} passed before the repair and fails now" for nodeid in sorted(worse))
    last_failed = getattr(session.config.pluginmanager.get_plugin("lfplugin"), "lastfailed", {})
    for nodeid in better:
        last_failed.pop(nodeid, None)


def _good_items(state: PromptSession, items: Sequence[pytest.Item], runs: Mapping[SuiteKey, Run]) -> set[str]:
    """The node ids of the cases that passed and the gates that were reached in these runs."""
    passed = {CaseKey(key, one.case.id) for key, run in runs.items() for one in run.results if one.outcome == "passed"}
    good = set()
    for item in items:
        if _key_of(state, item) in passed:
            good.add(item.nodeid)
        if isinstance(item, GateItem):
            judged = state.judge(item.loaded, runs=runs)
            if isinstance(judged, GateResult) and judged.passed:
                good.add(item.nodeid)
    return good


def _key_of(state: PromptSession, item: pytest.Item) -> CaseKey | None:
    """What the session knows a case or a Python test by."""
    if isinstance(item, CaseItem):
        return item.key
    test = state.tests.of(item)
    return CaseKey(test.suite.key, test.case.id) if test is not None else None


def _counts(state: PromptSession, item: pytest.Item) -> bool:
    """Whether the item fails the run by itself; a case under a gate does not."""
    if isinstance(item, CaseItem):
        return item.loaded.suite.gate is None
    return isinstance(item, GateItem) or state.tests.of(item) is not None


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
    from pytest_metaprompt.plugin.report_files import write_reports

    write_reports(state)
    applied = any(repair.status == "applied" for repair in state.repairs)
    if applied and state.options.exit_non_zero_on_fix and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def summarise(state: PromptSession, terminal: TerminalReporter) -> None:
    """The table of suites, failing cases under gates, repairs, and notes."""
    runs = state.runs()
    ran = {key: loaded for key, loaded in state.suites.items() if runs[key].results}
    if not ran and not state.notes:
        return
    terminal.section("metaprompt")
    for key, loaded in ran.items():
        if loaded.suite.gate is not None:
            bad = [result for result in runs[key].results if result.outcome in ("failed", "error")]
            write_failing(terminal, loaded.name, bad)
    if any(repair.status == "applied" for repair in state.repairs):
        terminal.write_line("as the tests found it, before the repair:")
    if ran:
        rows = [
            suite_row(loaded.title, runs[key], _gate_word(state, loaded), _change(state, loaded, runs[key]))
            for key, loaded in ran.items()
        ]
        write_table(terminal, [HEADING if state.comparing is None else (*HEADING, "change"), *rows])
        usage = state.models.usage()
        where = "cassettes and the cache" if state.models.cassettes.used else "the cache"
        again = f", {usage.retries} made again" if usage.retries else ""
        terminal.write_line(
            f"{usage.calls} calls ({usage.cached} answered from {where}{again}), {usage.input_tokens} tokens in, "
            f"{usage.output_tokens} out, {state.seconds:.1f} s for the cases, {cost_words(usage.cost_usd)}"
        )
    _write_repairs(terminal, state.repairs)
    for note in state.notes:
        terminal.write_line(note)


def _write_repairs(terminal: TerminalReporter, repairs: Iterable[RepairOutcome]) -> None:
    told = [repair for repair in repairs if repair.status != "not_needed"]
    if told:
        terminal.section("repairs", sep="-")
    for repair in told:
        write_repair(terminal, repair)


def _change(state: PromptSession, loaded: LoadedSuite, run: Run) -> str | None:
    """The cell against the baseline; None for a session without one."""
    if state.comparing is None:
        return None
    found = state.comparison(loaded, run) if run.complete else None
    return "not compared" if found is None else f"{len(found.regressions)} worse, {len(found.improvements)} better"


def _gate_word(state: PromptSession, loaded: LoadedSuite) -> str:
    if loaded.suite.gate is None:
        return "none"
    judged = state.judge(loaded, runs=state.runs())
    if isinstance(judged, str):
        return "skipped"
    return "passed" if judged.passed else "failed"


def _terminal(config: pytest.Config) -> TerminalReporter | None:
    found = config.pluginmanager.get_plugin("terminalreporter")
    return found if isinstance(found, TerminalReporter) else None
