"""Writes the reports that were asked for, and the step summary where GitHub Actions wants one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pytest_metaprompt.files import write_new_bytes
from pytest_metaprompt.formats.problems import shown_path
from pytest_metaprompt.plugin.session import LoadedSuite, PromptSession
from pytest_metaprompt.reports.json_report import SuiteReport, as_json, build_report
from pytest_metaprompt.reports.parts import BaselinePart, Report, SwapPart
from pytest_metaprompt.results import GateResult, Run
from pytest_metaprompt.suites import SuiteKey


def write_reports(state: PromptSession, environ: Mapping[str, str] = os.environ) -> None:
    """Write every report; what could not be written is said in the summary."""
    summary = environ.get("GITHUB_STEP_SUMMARY") if environ.get("GITHUB_ACTIONS") == "true" else None
    if not state.options.reports and not summary:
        return
    report = _report(state)
    for path in state.options.reports:
        _write(state, path, _as_text(state, report, path.suffix.lower()))
    if summary:
        _append(state, Path(summary), _as_text(state, report, ".md"))


def _as_text(state: PromptSession, report: Report, ending: str) -> str:
    if ending == ".json":
        return as_json(report)
    if ending == ".md":
        from pytest_metaprompt.reports.markdown import as_markdown

        return as_markdown(report)
    from pytest_metaprompt.plugin.keeping import past_runs
    from pytest_metaprompt.reports.html_report import as_html

    return as_html(report, history=past_runs(state))


def _report(state: PromptSession) -> Report:
    runs = state.runs()
    suites = [
        SuiteReport(
            one.name,
            one.routine.name,
            runs[key],
            _baseline(state, one, runs[key]),
            state.seconds_of(key),
            state.unguarded.get(key),
            _swap(state, key),
            state.final.get(key),
        )
        for key, one in state.suites.items()
        if runs[key].results
    ]
    judged = [(one, state.judge(one, runs=state.final_runs())) for one in state.suites.values() if one.suite.gate]
    gates = [(one.name, gate) for one, gate in judged if isinstance(gate, GateResult)]
    return build_report(suites, gates, state.repairs, state.models.usage())


def _swap(state: PromptSession, key: SuiteKey) -> SwapPart | None:
    if key not in state.swaps:
        return None
    from pytest_metaprompt.plugin.swapping import swapped_cases

    cases = swapped_cases(state, key)
    return {
        "old": state.swaps[key].target,
        "new": str(state.suites[key].suite.target),
        "cases": [{"id": one, "old": old, "new": new, "repaired": now} for one, old, new, now in cases],
    }


def _baseline(state: PromptSession, loaded: LoadedSuite, run: Run) -> BaselinePart | None:
    found = state.comparison(loaded, run) if run.complete else None
    if found is None:
        return None
    from pytest_metaprompt.plugin.comparing import as_part

    return as_part(found)


def _write(state: PromptSession, path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_new_bytes(path, _encoded(text))
        state.notes.append(f"report written to {shown_path(path, state.root)}")
    except OSError as error:
        state.notes.append(f"the report was not written: {path}: {error.strerror or error}")


def _encoded(text: str) -> bytes:
    """UTF-8; half an emoji, which a cut reply may end with, becomes what JSON writes for it."""
    return text.encode(errors="backslashreplace")


def _append(state: PromptSession, path: Path, text: str) -> None:
    """Add to the step's summary; other steps and tools write there, too."""
    try:
        with path.open("ab") as file:
            file.write(_encoded(text))
    except OSError as error:
        state.notes.append(f"the step summary was not written: {path}: {error.strerror or error}")
