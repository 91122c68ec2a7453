"""Our section of the summary: failing cases under gates, the table of suites, repairs, and how it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from _pytest.terminal import TerminalReporter

from pytest_metaprompt.plugin.session import LoadedSuite, PromptSession
from pytest_metaprompt.plugin.terminal import headline, say, width_of, write_repair
from pytest_metaprompt.reports.figures import cost_words, dollars, duration, interval
from pytest_metaprompt.reports.json_report import TotalUsage, run_usage
from pytest_metaprompt.reports.parts import change_words
from pytest_metaprompt.reports.standing import Standing, count_standing
from pytest_metaprompt.reports.text_tables import cut_end, cut_start, sentence_lines, table_lines
from pytest_metaprompt.results import CaseResult, GateResult, Run
from pytest_metaprompt.stats import case_rate, run_accuracy, stability
from pytest_metaprompt.suites import SuiteKey

_LISTED = 10
_NAMES = 2
_LONGEST_LINE = 300
"""How long a line about a case may be where lines do not break, as in the log of a CI run."""

Ran = Mapping[SuiteKey, LoadedSuite]


def summarise(state: PromptSession, terminal: TerminalReporter) -> None:
    """Write the section; with -qq only its last line and what became of repairs."""
    runs = state.runs()
    ran = {key: loaded for key, loaded in state.suites.items() if runs[key].results}
    if (not ran and not state.notes) or terminal.no_summary:
        return
    if terminal.verbosity > -2:
        terminal.write_sep("=", "metaprompt")
        _write_failing(terminal, ran, runs)
        if any(repair.status == "applied" for repair in state.repairs):
            terminal.write_line("as the tests found it, before the repair:")
        if ran:
            _write_table(state, terminal, ran, runs)
            _write_flaky(terminal, ran, runs)
            _write_unjudged(state, terminal, ran, runs)
            say(terminal, _usage_line(state))
    _write_repairs(state, terminal)
    if state.swaps and terminal.verbosity > -2:
        from pytest_metaprompt.plugin.swapping import write_swaps

        write_swaps(state, terminal)
    for note in state.notes if terminal.verbosity > -2 else ():
        say(terminal, note)
    if ran:
        _write_standing(terminal, standing_of(state))


def standing_of(state: PromptSession) -> Standing:
    """How the session stands with the routines as they are on disk now."""
    before, now = state.runs(), state.final_runs()
    found = [
        (loaded.suite.gate is not None, result.outcome)
        for key, loaded in state.suites.items()
        for result in now[key].results
    ]
    gates = [state.judge(loaded, runs=now) for loaded in state.suites.values() if loaded.suite.gate is not None]
    was = {(key, one.case.id) for key, run in before.items() for one in run.results if one.outcome == "passed"}
    passing = {(key, one.case.id) for key, run in now.items() for one in run.results if one.outcome == "passed"}
    gates_failed = sum(isinstance(gate, GateResult) and not gate.passed for gate in gates)
    return count_standing(found, gates_failed=gates_failed, repaired=len(passing - was))


def _write_standing(terminal: TerminalReporter, standing: Standing) -> None:
    bad = bool(standing.failed or standing.gates_failed or standing.errors)
    for line in sentence_lines(f"metaprompt: {standing}", width_of(terminal)):
        terminal.write_line(line, red=bad, green=not bad)


def _write_failing(terminal: TerminalReporter, ran: Ran, runs: Mapping[SuiteKey, Run]) -> None:
    """The failing cases of suites that a gate judges, a line each."""
    bad = {
        key: [result for result in runs[key].results if result.outcome in ("failed", "error")]
        for key, loaded in ran.items()
        if loaded.suite.gate is not None
    }
    several = sum(map(bool, bad.values())) > 1
    for key, results in bad.items():
        if results and several:
            say(terminal, f"{ran[key].name}:")
        lines = [f"  {result.outcome:6} {result.case.id}: {headline(result)}" for result in results]
        _write_some(terminal, lines, where=ran[key].name)


def _write_flaky(terminal: TerminalReporter, ran: Ran, runs: Mapping[SuiteKey, Run]) -> None:
    """The cases of which some attempts passed and some did not, a line each."""
    flaky = [(ran[key], result) for key in ran for result in runs[key].results if stability(result) == "flaky"]
    if flaky:
        terminal.write_line("flaky, because some attempts passed and some did not:")
        lines = [f"  {loaded.name}::{result.case.id}  {_rate(result)}" for loaded, result in flaky]
        # The rate at the end is what a reader looks for.
        _write_some(terminal, lines, where="all suites", cut=cut_start)


def _rate(result: CaseResult) -> str:
    return f"{case_rate(result)}, {result.outcome}"


def _write_some(
    terminal: TerminalReporter, lines: Sequence[str], *, where: str, cut: Callable[[str, int], str] = cut_end
) -> None:
    shown = lines if terminal.verbosity > 0 else lines[:_LISTED]
    width = max(40, terminal._tw.fullwidth - 1) if terminal.isatty else _LONGEST_LINE
    for line in shown:
        terminal.write_line(line if terminal.verbosity > 0 and not terminal.isatty else cut(line, width))
    if len(shown) < len(lines):
        terminal.write_line(f"  and {len(lines) - len(shown)} more in {where} (-v shows all)")


def _write_table(state: PromptSession, terminal: TerminalReporter, ran: Ran, runs: Mapping[SuiteKey, Run]) -> None:
    used = {key: run_usage(runs[key]) for key in ran}
    heading = ["suite", "target", "passed", "accuracy (95 %)", "errors", "gate"]
    heading += [] if state.comparing is None else ["change"]
    rows = [[*_row(state, loaded, runs[key])] for key, loaded in ran.items()]
    # What a single suite used is what the line below says of the whole.
    if len(ran) > 1:
        shown = [name for name, column in _COLUMNS.items() if any(column(usage) for usage in used.values())]
        heading += [*shown, "time"]
        for row, key in zip(rows, ran, strict=True):
            row += [_COLUMNS[name](used[key]) or "-" for name in shown]
            row.append(duration(state.seconds_of(key)))
    for line in table_lines([heading, *rows], names=_NAMES, width=width_of(terminal)):
        terminal.write_line(line)


_COLUMNS: Mapping[str, Callable[[TotalUsage], str]] = {
    "cost": lambda usage: dollars(usage.cost_usd) if usage.cost_usd else "",
    "cached": lambda usage: str(usage.cached or ""),
}


def _row(state: PromptSession, loaded: LoadedSuite, run: Run) -> Iterator[str]:
    share = run_accuracy(run)
    yield loaded.title
    yield str(run.suite.target)
    yield f"{share.passed}/{share.total}"
    yield interval(share.value, share.low, share.high)
    yield str(sum(result.outcome == "error" for result in run.results))
    yield _gate_word(state, loaded)
    if state.comparing is not None:
        from pytest_metaprompt.plugin.comparing import as_part

        found = state.comparison(loaded, run) if run.complete else None
        yield "not compared" if found is None else change_words(as_part(found))


def _gate_word(state: PromptSession, loaded: LoadedSuite) -> str:
    if loaded.suite.gate is None:
        return "none"
    judged = state.judge(loaded, runs=state.runs())
    if isinstance(judged, str):
        return "skipped"
    return "passed" if judged.passed else "failed"


def _write_unjudged(state: PromptSession, terminal: TerminalReporter, ran: Ran, runs: Mapping[SuiteKey, Run]) -> None:
    """Why gates were skipped, a line each."""
    for loaded in ran.values():
        judged = state.judge(loaded, runs=runs) if loaded.suite.gate is not None else None
        if isinstance(judged, str):
            say(terminal, f"{loaded.name}: {judged}")


def _usage_line(state: PromptSession) -> str:
    usage = state.models.usage()
    where = "cassettes and the cache" if state.models.cassettes.used else "the cache"
    again = f", {usage.retries} made again" if usage.retries else ""
    return (
        f"{usage.calls} calls ({usage.cached} answered from {where}{again}), {usage.input_tokens} tokens in, "
        f"{usage.output_tokens} out, {state.seconds:.1f} s for the cases, {cost_words(usage.cost_usd)}"
    )


def _write_repairs(state: PromptSession, terminal: TerminalReporter) -> None:
    told = [repair for repair in state.repairs if repair.status != "not_needed"]
    if told and terminal.verbosity > -2:
        terminal.write_sep("-", "repairs")
    for repair in told:
        write_repair(terminal, repair)
