"""From the failing runs of one routine to what became of it: search, write if that was asked, and tell."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import astuple, dataclass, replace

from pytest_metaprompt.errors import FileAccessError, MetapromptError, RoutineError
from pytest_metaprompt.repair.job import PAID, Findings, RepairJob
from pytest_metaprompt.repair.loop import Repair
from pytest_metaprompt.repair.showing import shown_cases
from pytest_metaprompt.repair.writing import unified_diff, write_objection, write_routine
from pytest_metaprompt.results import Count, HoldoutCount, RepairOutcome, RepairStatus, Run, Subject, TracePoint
from pytest_metaprompt.routines import Routine, parse_routine


@dataclass(frozen=True, slots=True)
class Spent:
    """What was used so far: calls that reached a model, replies from the cache or a cassette, dollars where every price
    is known, seconds."""

    target_calls: int
    meta_calls: int
    cached_calls: int
    cost_usd: float | None
    seconds: float
    judge_calls: int = 0
    customer_calls: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """What a search came to. `routine` is the text that was proved better, `old` what it replaces; None without one."""

    outcome: RepairOutcome
    old: Routine
    routine: Routine | None = None
    repair: Repair | None = None


async def find_repair(job: RepairJob, *, writes: bool, allow_dirty: bool) -> Found:
    """Search a better text for a routine, writing nothing. With `writes`, a file that may not be written is left alone.

    The status of what was proved better is `proposed`.
    """
    before = _count(job.runs)
    outcome = RepairOutcome(job.routine.name, "rejected", "", before, before, runs=job.runs)
    if not any(result.outcome == "failed" for run in job.runs for result in run.results):
        return Found(replace(outcome, status="not_needed", reason="no case fails"), job.routine)
    objection = write_objection(job.routine, allow_dirty=allow_dirty) if writes else None
    if objection is not None:
        return Found(replace(outcome, reason=objection), job.routine)
    repair = Repair(job)
    found = await repair.run()
    outcome = replace(
        outcome,
        flaky=tuple(sorted(found.flaky)),
        proposals=tuple(found.records),
        trace=tuple(found.trace),
        holdout=HoldoutCount(0, 0, len(found.sides.holdout)) if found.sides.holdout else None,
    )
    if found.current.text == job.routine.text:
        outcome = replace(outcome, status=_status(found), reason=_why_not(job, found), broken=tuple(found.lost))
        return Found(outcome, job.routine)
    job.progress("measuring every case under the new routine")
    outcome = _with_evidence(outcome, job, found, await repair.measure(found.current))
    return Found(replace(outcome, status="proposed"), job.routine, found.current, repair)


async def prove_edited(job: RepairJob, found: Found, text: str) -> Found:
    """A proved repair with a text that a person changed: measured on every case, and kept only if it is better still.

    Raises:
        RoutineError: The text is no routine, breaks a case that passed, or fixes none; the message says which.
    """
    assert found.repair is not None, "only a proved repair is edited"
    routine = replace(parse_routine(text, name=job.routine.name, form=job.routine.form), home=job.routine.home)
    findings = replace(found.repair.found, current=routine)
    outcome = _with_evidence(found.outcome, job, findings, await found.repair.measure(routine))
    if outcome.broken or not outcome.fixed:
        broken = f"it breaks {', '.join(outcome.broken)}" if outcome.broken else "it fixes no case"
        raise RoutineError(f"the edited text is not better: {broken}")
    reason = f"{outcome.reason}; edited by hand, measured on every case"
    return replace(found, outcome=replace(outcome, reason=reason), routine=routine)


def _with_evidence(outcome: RepairOutcome, job: RepairJob, found: Findings, after: tuple[Run, ...]) -> RepairOutcome:
    was, now = _passes(job.subjects, job.runs), _passes(job.subjects, after)
    fixed = tuple(key for key in now if now[key] and not was[key])
    broken = tuple(key for key in now if was[key] and not now[key])
    held = set(found.sides.holdout)
    shown = shown_cases(found.current, job.subjects)
    note = f"; {len(shown)} of the cases are shown in it as worked examples" if shown else ""
    return replace(
        outcome,
        reason=found.reason + note,
        after=_count(after),
        fixed=fixed,
        broken=broken,
        holdout=HoldoutCount(len(held.intersection(fixed)), len(held.intersection(broken)), len(held))
        if held
        else None,
        diff=unified_diff(job.routine, found.current),
        runs=after,
        trace=(*found.trace, TracePoint(job.calls(), *astuple(_count(after)))),
    )


def apply_repair(job: RepairJob, found: Found) -> RepairOutcome:
    """Write what was proved better into the routine's file, and say so in the journal."""
    outcome, routine = found.outcome, found.routine
    if routine is None or found.old.home is None:
        return outcome
    before = found.old.home.source
    try:
        # First the journal: what is written can be taken back, whatever happens in between.
        job.journal.note(
            "written",
            file=str(before.path),
            before=before.text,
            after=found.old.home.put(routine.text),
            diff=outcome.diff,
            fixed=list(outcome.fixed),
        )
    except (FileAccessError, RoutineError) as error:
        return _unwritten(job, outcome, error)
    try:
        written = write_routine(found.old, routine)
    except (FileAccessError, RoutineError) as error:
        with suppress(FileAccessError):
            job.journal.note("not_written", reason=str(error))
        return _unwritten(job, outcome, error)
    return replace(outcome, status="applied", written=written)


def _unwritten(job: RepairJob, outcome: RepairOutcome, error: MetapromptError) -> RepairOutcome:
    return replace(outcome, status="error", reason=f"not written: {error}", after=outcome.before, runs=job.runs)


def with_costs(outcome: RepairOutcome, spent: Spent) -> RepairOutcome:
    """The outcome with what the repair used."""
    return replace(
        outcome,
        target_calls=spent.target_calls,
        meta_calls=spent.meta_calls,
        cached_calls=spent.cached_calls,
        cost_usd=spent.cost_usd,
        seconds=spent.seconds,
        judge_calls=spent.judge_calls,
        customer_calls=spent.customer_calls,
    )


def _status(found: Findings) -> RepairStatus:
    if found.out_of_budget:
        return "budget"
    heard = found.declined or any(record.proposer in PAID for record in found.records)
    return "error" if found.trouble is not None and not heard else "rejected"


def _why_not(job: RepairJob, found: Findings) -> str:
    """The reason that a user can act on: trouble first, then what the last proposals were refused for."""
    if found.out_of_budget:
        return found.reason
    rejected = [record.reason for record in found.records if record.decision == "rejected"]
    telling = [reason for reason in rejected if "another proposal" not in reason and "tried before" not in reason]
    reasons = [reason for reason in (found.unproved, found.trouble, *telling[-2:]) if reason]
    told = "; ".join(dict.fromkeys(reasons)) or found.reason
    if not job.asks_meta:
        return f"{told}; no meta model was asked: set meta: in the suite, or pass --metaprompt-meta"
    return told


def _count(runs: tuple[Run, ...]) -> Count:
    return Count(sum(run.passed for run in runs), sum(run.judged for run in runs))


def _passes(subjects: tuple[Subject, ...], runs: tuple[Run, ...]) -> dict[str, bool]:
    found = {(run.suite.key, result.case.id): result.outcome == "passed" for run in runs for result in run.results}
    return {subject.key: found[subject.suite.key, subject.case.id] for subject in subjects}
