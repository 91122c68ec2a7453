"""A session against its baseline: read it, ask the suspects again, tell what fell, and write a new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_metaprompt.baselines import (
    BASELINE_ATTEMPTS,
    EXAMINED_ATTEMPTS,
    Baseline,
    Comparison,
    SuiteRecord,
    compare,
    read_baseline,
    record_of,
    suspects,
    write_baseline,
)
from pytest_metaprompt.errors import FileAccessError, MetapromptError
from pytest_metaprompt.files import read_text, write_new
from pytest_metaprompt.reports.parts import BaselinePart, compared
from pytest_metaprompt.results import CaseResult, Run
from pytest_metaprompt.routines import Routine, open_routine
from pytest_metaprompt.runner import each
from pytest_metaprompt.stats import counts
from pytest_metaprompt.suites import SuiteKey

if TYPE_CHECKING:
    from pytest_metaprompt.plugin.session import LoadedSuite, PromptSession

Counts = Mapping[str, tuple[int, int]]


class Comparing:
    """What a session knows of its baseline. Suspects are asked once; what they answered serves every later question."""

    def __init__(self, state: PromptSession, baseline: Baseline) -> None:
        self._state = state
        self._baseline = baseline
        self._examined: dict[SuiteKey, Counts] = {}

    def of(self, loaded: LoadedSuite, run: Run) -> Comparison | None:
        """How a complete run of a suite differs from the baseline; None where the baseline does not know the suite."""
        record = self._baseline.suites.get(loaded.name)
        if record is None or loaded.python:
            return None
        if loaded.suite.key not in self._examined:
            self._examined[loaded.suite.key] = self._examine(loaded, run, record)
        failing = {result.case.id for result in run.results if result.outcome == "failed"}
        examined = {key: found for key, found in self._examined[loaded.suite.key].items() if key in failing}
        return compare(run, record, routine=loaded.routine.text, examined=examined)

    def lost(self) -> list[str]:
        """The suites of the baseline whose file is not there any more."""
        return lost_suites(self._baseline, self._state.root)

    def seen(self, loaded: LoadedSuite, case_id: str) -> tuple[int, int] | None:
        """The counts of a case that was asked again."""
        return self._examined.get(loaded.suite.key, {}).get(case_id)

    def _examine(self, loaded: LoadedSuite, run: Run, record: SuiteRecord) -> Counts:
        more = _More(self._state, loaded, loaded.routine, most=EXAMINED_ATTEMPTS, until_pass=True)
        return {result.case.id: counts(result) for result in more.ask(suspects(run, record))}


@dataclass(frozen=True, slots=True)
class _More:
    """Asks cases further times under a routine, up to `most` attempts in all, or until one passes."""

    state: PromptSession
    loaded: LoadedSuite
    routine: Routine
    most: int
    until_pass: bool = False

    def ask(self, results: Sequence[CaseResult]) -> list[CaseResult]:
        """The results with the attempts that were added."""
        work = each(results, self._complete, limit=self.state.options.concurrency)
        return [result for result in self.state.wait(self.state.thread.submit(work)) if result is not None]

    async def _complete(self, result: CaseResult) -> CaseResult:
        attempts = list(result.attempts)
        asker = self.state.models.asker()
        while len(attempts) < self.most and not (self.until_pass and any(one.passed for one in attempts)):
            attempt = await asker.attempt(self.loaded.suite, result.case, self.routine, len(attempts))
            attempts.append(attempt)
            if attempt.error is not None:
                break
        return replace(result, attempts=tuple(attempts))


def open_baseline(path: Path) -> Baseline:
    """The baseline in a file.

    Raises:
        MetapromptError: The file is missing, or holds something else.
    """
    try:
        return read_baseline(read_text(path).text, path=str(path))
    except FileAccessError as error:
        hint = f"write it with --metaprompt-save-baseline={path}"
        raise FileAccessError(f"the baseline cannot be read: {error.message}", hint=hint) from None


def lost_suites(baseline: Baseline, root: Path) -> list[str]:
    """The suites of a baseline whose file is not there any more."""
    return [name for name in baseline.suites if not (root / name.partition("::")[0]).exists()]


def save_baseline(state: PromptSession, path: Path) -> None:
    """Write what is true of every suite now. What was not run or went wrong keeps its old entry; a suite whose file is
    gone loses it."""
    old = open_baseline(path) if path.exists() else Baseline()
    lost = set(lost_suites(old, state.root))
    suites = {name: record for name, record in old.suites.items() if name not in lost}
    for key, run in state.final_runs().items():
        loaded = state.suites[key]
        if run.results and not loaded.python:
            suites[loaded.name] = _record(state, loaded, run, old.suites.get(loaded.name))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_new(path, write_baseline(Baseline(suites)))
    state.notes.append(f"baseline written to {path}")


def _record(state: PromptSession, loaded: LoadedSuite, run: Run, old: SuiteRecord | None) -> SuiteRecord:
    routine = open_routine(loaded.suite.routine, root=state.root)  # As it is on disk now, after any repair.
    passing = [result for result in run.results if result.outcome == "passed"]
    asked = {one.case.id: one for one in _More(state, loaded, routine, most=BASELINE_ATTEMPTS).ask(passing)}
    results = tuple(asked.get(result.case.id, result) for result in run.results)
    return record_of(replace(run, results=results), routine=routine.text, old=old)


def as_part(found: Comparison) -> BaselinePart:
    """The comparison as reports have it."""
    return {
        "regressions": list(found.regressions),
        "improvements": list(found.improvements),
        "by_chance": list(found.by_chance),
        "stale": list(found.stale),
        "new": list(found.new),
        "gone": list(found.gone),
        "unjudged": list(found.unjudged),
        "notes": list(found.notes),
    }


def comparison_notes(comparing: Comparing, loaded: LoadedSuite, found: Comparison) -> list[str]:
    """What a reader should know of a comparison, a line each."""
    lines = [f"{loaded.name}: {note}" for note in found.notes]
    for words, ids in compared(as_part(found)):
        lines.append(f"{loaded.name}: {words}: {', '.join(_with_counts(comparing, loaded, one) for one in ids)}")
    return lines


def _with_counts(comparing: Comparing, loaded: LoadedSuite, case_id: str) -> str:
    seen = comparing.seen(loaded, case_id)
    return case_id if seen is None else f"{case_id} ({seen[0]} of {seen[1]} attempts pass now)"


def try_to_save(state: PromptSession, path: Path) -> None:
    """Write the baseline, or say why not."""
    try:
        save_baseline(state, path)
    except MetapromptError as error:
        state.notes.append(f"the baseline was not written: {error}")
    except OSError as error:
        state.notes.append(f"the baseline was not written: {path}: {error.strerror or error}")
