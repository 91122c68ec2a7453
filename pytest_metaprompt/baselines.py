"""Baselines: what each case did when all was well, in a file that is committed; and what fell since, beyond chance.

A case is worse than in the baseline if Fisher's exact test on its attempts then and now says so at 2 %. One attempt
each can never say so, so a baseline asks each passing case 3 times, and a case that passed then and fails now is
asked until it passes, at most 5 times: 3 of 3 against 0 of 5 gives p = 0.018. A steady case that broke is always
found; a case with an even chance is taken for worse in 0.4 % of comparisons, and none in more than 0.5 %.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

from pytest_metaprompt.errors import MetapromptError, Place
from pytest_metaprompt.results import CaseResult, Run
from pytest_metaprompt.stats import counts, fisher_p
from pytest_metaprompt.suites import Assertion, Case, ColumnTest, ModelSpec, Suite

BASELINE_ATTEMPTS = 3
"""How often a passing case is asked for a baseline, at least."""

EXAMINED_ATTEMPTS = 5
"""How often a case that passed in the baseline and fails now is asked, at most."""

LEVEL = 0.02
"""The p-value up to which a fall is not put down to chance: 3 of 3 against 0 of 5 gives 0.018. With the usual 0.05 a
suite of ten flaky cases raises a false alarm in one run of eight where `repeat` is 10."""

_VERSION = 1


@dataclass(frozen=True, slots=True)
class CaseRecord:
    """How a case fared, and a digest of what it asks and checks."""

    passed: int
    attempts: int
    digest: str


@dataclass(frozen=True, slots=True)
class SuiteRecord:
    """How a suite's cases fared under a routine (by digest) with a target. `settings` is a digest of what else the
    suite says about asking and judging; empty in a file that was written before it was kept."""

    routine: str
    target: str
    cases: Mapping[str, CaseRecord]
    settings: str = ""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What is known of suites, by the path that they go by."""

    suites: Mapping[str, SuiteRecord] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a run differs from the baseline: case ids. `stale` ones were changed since, `new` and `gone` ones came and
    went, `unjudged` ones ended in an error or were skipped; none of these is compared. `by_chance` ones fail now, but
    no more often than chance explains. `notes` tells what else is not as it was."""

    regressions: tuple[str, ...] = ()
    improvements: tuple[str, ...] = ()
    by_chance: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    unjudged: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_baseline(text: str, *, path: str) -> Baseline:
    """The baseline in a file's text.

    Raises:
        MetapromptError: The text is none.
    """
    try:
        data = json.loads(text)
        if data["version"] != _VERSION:
            raise ValueError(f"its version is {data['version']!r}, not {_VERSION}")
        return Baseline({name: _suite_record(record) for name, record in data["suites"].items()})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        said = f"{type(error).__name__}: {error}" if isinstance(error, KeyError) else str(error)
        hint = "write it anew with --metaprompt-save-baseline"
        raise MetapromptError(f"this is no baseline: {said}", where=Place(path), hint=hint) from None


def _suite_record(record: Mapping[str, object]) -> SuiteRecord:
    cases = record["cases"]
    if not isinstance(cases, dict):
        raise ValueError("cases must be a mapping")
    found = {case_id: _case_record(case_id, entry) for case_id, entry in cases.items()}
    return SuiteRecord(str(record["routine"]), str(record["target"]), found, str(record.get("settings", "")))


def _case_record(case_id: str, entry: object) -> CaseRecord:
    match entry:
        case [int(passed), int(attempts), str(digest)] if 0 <= passed <= attempts:
            return CaseRecord(passed, attempts, digest)
    raise ValueError(f"the entry of the case {case_id!r} is not [passed, attempts, digest]")


def write_baseline(baseline: Baseline) -> str:
    """The file's text: sorted, a case on each line, so that a change of a case changes its line alone."""
    suites = [_suite_text(name, record) for name, record in sorted(baseline.suites.items())]
    return f'{{"version": {_VERSION}, "suites": {{\n' + ",\n".join(suites) + "\n}}\n"


def _suite_text(name: str, record: SuiteRecord) -> str:
    named = {"routine": record.routine, "settings": record.settings, "target": record.target}
    told = ", ".join(f"{_json(key)}: {_json(value)}" for key, value in named.items())
    head = f'{_json(name)}: {{{told}, "cases": {{'
    lines = [
        f" {_json(case_id)}: {_json([entry.passed, entry.attempts, entry.digest])}"
        for case_id, entry in sorted(record.cases.items())
    ]
    return head + "\n" + ",\n".join(lines) + "\n}}"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def case_digest(case: Case) -> str:
    """A short digest of what a case asks and what it checks."""
    messages = [(message.role, message.content, dict(message.extra)) for message in case.messages]
    checks = [_told(check) for check in case.assertions]
    told = [dict(case.vars), case.input, messages, checks]
    return _digest_of([*told, *_further(case)])


def _further(case: Case) -> Iterator[object]:
    """What only some cases have, which stands in the digest only if they do."""
    if case.threshold is not None:
        yield ["threshold", case.threshold]
    if (other := case.simulation) is not None:
        limits = [other.max_turns, other.max_tool_calls, other.end_on]
        yield ["simulation", other.persona, other.turns, str(other.model), dict(other.tools), limits]
    test = case.column_test
    if test is not None and (told := replace(test, metadata={}, target=None)) != ColumnTest():
        yield ["test", *(getattr(told, one.name) for one in fields(told))]


def _told(check: Assertion) -> list[object]:
    """What an assertion checks; what only some assertions have stands there only if they do."""
    further = [check.transform, [_told(child) for child in check.children]]
    told: list[object] = [check.type, check.value, check.threshold, dict(check.settings)]
    return [*told, *(further if any(further) else ()), *([{"weight": check.weight}] if check.weight != 1 else ())]


def settings_digest(suite: Suite) -> str:
    """A short digest of what a suite says about asking and judging beside its target's name, its routine and its
    cases."""
    target = dict(suite.target.params) if suite.target is not None else {}
    graders = [_graded_by(model) for model in (suite.judge, suite.embedding)]
    column = suite.column
    further = [] if column is None else [column.function, column.command, dict(column.config), column.transform]
    return _digest_of([target, graders, further])


def _graded_by(model: ModelSpec | None) -> list[object] | None:
    return None if model is None else [str(model), dict(model.params)]


def routine_digest(text: str) -> str:
    """A short digest of a routine's text."""
    return _digest(text)


def _digest_of(told: Sequence[object]) -> str:
    return _digest(json.dumps(told, sort_keys=True, default=repr))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def record_of(run: Run, *, routine: str, old: SuiteRecord | None) -> SuiteRecord:
    """What a run says of a suite under a routine's text. Cases that ended in an error, or were not run, keep their old
    entry; those that the suite no longer has lose it."""
    found = {result.case.id: _entry(result) for result in run.results if result.outcome in ("passed", "failed")}
    kept = old.cases if old is not None else {}
    cases = {
        case.id: entry for case in run.suite.cases if (entry := found.get(case.id) or kept.get(case.id)) is not None
    }
    return SuiteRecord(routine_digest(routine), str(run.suite.target), cases, settings_digest(run.suite))


def _entry(result: CaseResult) -> CaseRecord:
    passed, attempts = counts(result)
    return CaseRecord(passed, attempts, case_digest(result.case))


def suspects(run: Run, record: SuiteRecord) -> list[CaseResult]:
    """The cases that passed in the baseline and fail now, which more attempts may tell apart from chance."""
    return [
        result
        for result in run.results
        if result.outcome == "failed"
        and (known := record.cases.get(result.case.id)) is not None
        and known.digest == case_digest(result.case)
        and known.passed > 0
    ]


def is_worse(known: CaseRecord, now: tuple[int, int]) -> bool:
    """Whether a case passes less often than in the baseline, beyond chance."""
    return now[1] > 0 and fisher_p((known.passed, known.attempts), now) <= LEVEL


def compare(
    run: Run, record: SuiteRecord, *, routine: str, examined: Mapping[str, tuple[int, int]] | None = None
) -> Comparison:
    """What is not as it was in the baseline. `examined` holds the counts of cases that were asked again."""
    regressions: list[str] = []
    improvements: list[str] = []
    by_chance: list[str] = []
    stale: list[str] = []
    unjudged: list[str] = []
    for result in run.results:
        known = record.cases.get(result.case.id)
        if known is None:
            continue
        now = (examined or {}).get(result.case.id) or counts(result)
        if known.digest != case_digest(result.case):
            stale.append(result.case.id)
        elif result.outcome not in ("passed", "failed"):
            unjudged.append(result.case.id)
        elif is_worse(known, now):
            regressions.append(result.case.id)
        elif known.passed == 0 and now[0] == now[1]:
            improvements.append(result.case.id)
        elif known.passed > 0 and result.outcome == "failed":
            by_chance.append(result.case.id)
    ids = [case.id for case in run.suite.cases]
    return Comparison(
        tuple(regressions),
        tuple(improvements),
        tuple(by_chance),
        tuple(stale),
        new=tuple(case_id for case_id in ids if case_id not in record.cases),
        gone=tuple(case_id for case_id in record.cases if case_id not in set(ids)),
        unjudged=tuple(unjudged),
        notes=tuple(_changes(run, record, routine)),
    )


def _changes(run: Run, record: SuiteRecord, routine: str) -> Sequence[str]:
    notes = []
    if record.target != str(run.suite.target):
        notes.append(f"the target was changed since the baseline, which was made with {record.target}")
    if record.routine != routine_digest(routine):
        path = run.suite.routine.path
        name = "" if path is None else f" {path.name}"
        notes.append(f"the routine{name} was changed since the baseline")
    if record.settings not in ("", settings_digest(run.suite)):
        notes.append("the target's parameters or the judge were changed since the baseline")
    return notes
