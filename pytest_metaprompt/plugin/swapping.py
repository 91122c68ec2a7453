"""A model swapped for another: how each case fares with the old one, the new one, and the new one after a repair."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from _pytest.terminal import TerminalReporter

from pytest_metaprompt.plugin.session import LoadedSuite, PromptSession
from pytest_metaprompt.plugin.terminal import width_of
from pytest_metaprompt.reports.text_tables import table_lines
from pytest_metaprompt.results import CaseResult, Run
from pytest_metaprompt.runner import each, outcome_of
from pytest_metaprompt.suites import SuiteKey

_LISTED = 40


@dataclass(frozen=True, slots=True)
class Swap:
    """A suite's run with the target that an option replaced, under the routine as it was before any repair."""

    target: str
    run: Run


def ask_replaced(state: PromptSession) -> None:
    """Ask the replaced targets about every case, where a repair for the new one is wanted. What the cache knows of
    them is not asked again; where a target is gone, its cases are errors."""
    runs = state.runs()
    for key, loaded in state.suites.items():
        if loaded.suite.replaced is not None and runs[key].complete and not loaded.python:
            state.swaps[key] = _swap(state, loaded)


def _swap(state: PromptSession, loaded: LoadedSuite) -> Swap:
    suite = replace(loaded.suite, target=loaded.suite.replaced, replaced=None)
    asker = state.models.asker()

    async def result(at: int) -> CaseResult:
        case = suite.cases[at]
        attempts = tuple([await asker.attempt(suite, case, loaded.routine, sample) for sample in range(suite.repeat)])
        return CaseResult(case, attempts, outcome_of(suite, attempts))

    work = each(range(len(suite.cases)), result, limit=state.options.concurrency)
    found = [one for one in state.wait(state.thread.submit(work)) if one is not None]
    return Swap(str(suite.target), Run(suite, tuple(found)))


def swapped_cases(state: PromptSession, key: SuiteKey) -> list[tuple[str, str, str, str]]:
    """Each case's id with its outcomes: the old target, the new one, and the new one under the routine as it is now."""
    old = {result.case.id: result.outcome for result in state.swaps[key].run.results}
    new = {result.case.id: result.outcome for result in state.runs()[key].results}
    now = {result.case.id: result.outcome for result in state.final_runs()[key].results}
    return [(case_id, old[case_id], new[case_id], now[case_id]) for case_id in new if case_id in old]


def write_swaps(state: PromptSession, terminal: TerminalReporter) -> None:
    """A table for each suite whose target was swapped: the totals, and every case that did not pass throughout."""
    for key, swap in state.swaps.items():
        loaded = state.suites[key]
        terminal.write_sep("-", f"{loaded.name}: {swap.target} swapped for {loaded.suite.target}")
        cases = swapped_cases(state, key)
        told = [case for case in cases if set(case[1:]) != {"passed"}]
        shown = told if terminal.verbosity > 0 else told[:_LISTED]
        heading = ["case", "old", "new", "new, repaired"]
        for line in table_lines([heading, [*_totals(cases)], *map(list, shown)], names=1, width=width_of(terminal)):
            terminal.write_line(line)
        if len(shown) < len(told):
            terminal.write_line(f"  and {len(told) - len(shown)} more (-v shows all)")


def _totals(cases: Sequence[tuple[str, str, str, str]]) -> Iterator[str]:
    yield "passed"
    for column in (1, 2, 3):
        yield f"{sum(case[column] == 'passed' for case in cases)}/{len(cases)}"
