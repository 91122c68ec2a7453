"""Keeps what each suite of a session came to in the history, and gives it to the reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_metaprompt.errors import FileAccessError
from pytest_metaprompt.files import OWN_FOLDER
from pytest_metaprompt.reports.history import HISTORY_FILE, HistoryEntry, add_to_history, read_history
from pytest_metaprompt.reports.json_report import run_usage
from pytest_metaprompt.results import Run
from pytest_metaprompt.stats import run_accuracy, stability

if TYPE_CHECKING:
    from pytest_metaprompt.plugin.session import LoadedSuite, PromptSession
    from pytest_metaprompt.reports.html_report import PastRun

_PLOTTED = 60


def keep(state: PromptSession) -> None:
    """Add every suite of which all cases were run, as tested. In CI only where the option names a file."""
    path = history_path(state)
    if path is None:
        return
    at = datetime.now(UTC).isoformat(timespec="seconds")
    runs = state.runs()
    entries = [
        _entry(state, loaded, runs[key], at)
        for key, loaded in state.suites.items()
        if runs[key].results and runs[key].complete
    ]
    if entries:
        try:
            add_to_history(path, entries)
        except FileAccessError as error:
            state.notes.append(str(error))


def past_runs(state: PromptSession) -> Mapping[str, Sequence[PastRun]]:
    """The history of the session's suites, for plots; none where it cannot be read."""
    from pytest_metaprompt.reports.html_report import PastRun

    path = history_path(state)
    found: dict[str, list[PastRun]] = {}
    try:
        entries = [] if path is None else read_history(path, last=_PLOTTED)
    except FileAccessError:
        return {}  # It was told when the run was to be kept.
    titles = {loaded.title for loaded in state.suites.values()}
    for entry in entries:
        if entry.suite in titles:
            share = entry.accuracy
            found.setdefault(entry.suite, []).append(
                PastRun(entry.at[:16].replace("T", " "), share.passed, share.total, share.value, share.low, share.high)
            )
    return found


def history_path(state: PromptSession) -> Path | None:
    """The file, if one is kept."""
    if state.options.history is not None:
        return state.options.history
    return None if state.options.in_ci else state.root / OWN_FOLDER / HISTORY_FILE


def _entry(state: PromptSession, loaded: LoadedSuite, run: Run, at: str) -> HistoryEntry:
    share = run_accuracy(run)
    return HistoryEntry(
        loaded.title,
        at,
        str(run.suite.target),
        share.passed,
        share.total,
        sum(result.outcome == "error" for result in run.results),
        sum(stability(result) == "flaky" for result in run.results),
        run_usage(run).cost_usd,
        round(state.seconds_of(loaded.suite.key), 3),
    )
