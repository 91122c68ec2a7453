"""Repairs every failing routine of a session, one after the other, and tells pytest what changed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial

from pytest_metaprompt.clients.prices import price_hint
from pytest_metaprompt.errors import MetapromptError
from pytest_metaprompt.files import OWN_FOLDER, SourceText
from pytest_metaprompt.plugin.call_counts import calls_of, judged_by
from pytest_metaprompt.plugin.elsewhere import entangled, not_held_against
from pytest_metaprompt.plugin.forecast import forecast
from pytest_metaprompt.plugin.models import RepairModels
from pytest_metaprompt.plugin.proposing import choose_proposers
from pytest_metaprompt.plugin.session import LoadedSuite, PromptSession
from pytest_metaprompt.plugin.settling import settle
from pytest_metaprompt.plugin.trying import Trier
from pytest_metaprompt.repair.job import RepairJob
from pytest_metaprompt.repair.journal import FileJournal
from pytest_metaprompt.repair.loop import digest
from pytest_metaprompt.repair.outcome import Spent, find_repair, with_costs
from pytest_metaprompt.results import Count, RepairOutcome, Run, Subject
from pytest_metaprompt.suites import BudgetSettings, ModelSpec, Suite

Say = Callable[[str], None]


def repair_all(session: PromptSession, say: Say) -> list[RepairOutcome]:
    """What became of each routine, in the order of the suites."""
    outcomes: list[RepairOutcome] = []
    for group in routine_groups(session.suites.values()):
        written = [outcome.written for outcome in outcomes if outcome.written is not None]
        outcomes.append(_repair(session, _on_top_of(written, group), say))
    return outcomes


def routine_groups(suites: Iterable[LoadedSuite]) -> list[list[LoadedSuite]]:
    """The suites, together where they share a routine: the same place of the same file."""
    groups: dict[object, list[LoadedSuite]] = {}
    for loaded in suites:
        home = loaded.routine.home
        groups.setdefault(loaded.name if home is None else home.key, []).append(loaded)
    return list(groups.values())


def _on_top_of(written: Sequence[SourceText], group: Sequence[LoadedSuite]) -> Sequence[LoadedSuite]:
    """The suites with their routine at home in the file as earlier repairs of this session left it."""
    moved = list(group)
    for source in written:
        for at, loaded in enumerate(moved):
            home = loaded.routine.home
            if home is not None and home.source.path.resolve() == source.path.resolve():
                moved[at] = replace(
                    loaded, routine=replace(loaded.routine, home=replace(home, source=source, ours=True))
                )
    return moved


def _repair(session: PromptSession, group: Sequence[LoadedSuite], say: Say) -> RepairOutcome:
    known = session.runs()
    pairs = [session.tests.in_repair(loaded, known[loaded.suite.key]) for loaded in group]
    group, runs = [loaded for loaded, _ in pairs], tuple(run for _, run in pairs)
    count = Count(sum(run.passed for run in runs), sum(run.judged for run in runs))
    outcome = RepairOutcome(group[0].routine.name, "not_needed", "no case fails", count, count, runs=runs)
    if not any(_fails(run) for run in runs):
        left_out = [run for loaded in group for run in (known[loaded.suite.key],) if _fails(run)]
        reason = "the failing tests are kept out of repairs, by repair=False or because they use subtests"
        return replace(outcome, status="rejected", reason=reason) if left_out else outcome
    unknown = session.tests.unknown_beside(group) or entangled(session, group)
    if unknown is not None:
        return replace(outcome, status="rejected", reason=unknown)
    if any(run.suite.column is not None and run.suite.column.serial for run in runs):
        reason = "its tests build on each other's replies (storeOutputAs, _conversation), so none can be tried alone"
        return replace(outcome, status="rejected", reason=reason)
    missing = sum(len(run.suite.cases) - len(run.results) for run in runs)
    if missing:
        total = sum(len(run.suite.cases) for run in runs)
        reason = f"{missing} of {total} cases were not run, and a repair is proved on all of them; run the whole suites"
        return replace(outcome, status="rejected", reason=reason)
    unpriced = _unpriced(session, runs)
    if unpriced is not None:
        reason = f"fix.budget.usd is set, but no price is known for {unpriced} ({price_hint()})"
        return replace(outcome, status="budget", reason=reason)
    return _search(session, group, runs, count, say)


def _fails(run: Run) -> bool:
    return any(result.outcome == "failed" for result in run.results)


def _search(
    session: PromptSession, group: Sequence[LoadedSuite], runs: tuple[Run, ...], count: Count, say: Say
) -> RepairOutcome:
    budget = budget_of(runs)
    models = session.models.for_repair(group[0].suite, budget)
    meta = next((loaded.suite.meta for loaded in group if loaded.suite.meta is not None), None)
    told = forecast(runs, meta, budget, price=session.models.price, used=session.models.used)
    say(f"{group[0].routine.name}: {told}")
    started = time.perf_counter()
    tell = partial(_progress, say, group[0].routine.name, models, budget)
    try:
        # The loop's thread must not print while a test runs, whose output pytest captures.
        job = make_job(session, group, runs, models, lambda text: session.main.post(partial(tell, text)))
    except MetapromptError as error:
        return RepairOutcome(group[0].routine.name, "error", str(error), count, count, runs=runs)
    job = replace(job, max_seconds=budget.seconds)

    def spent() -> Spent:
        return Spent(
            target_calls=models.used("target").calls,
            meta_calls=models.used("meta").calls,
            judge_calls=models.used("judge").calls,
            customer_calls=models.used("customer").calls,
            cached_calls=models.total.cached,
            cost_usd=models.total.cost_usd,
            seconds=time.perf_counter() - started,
        )

    writes = session.options.mode in ("apply", "review")
    work = find_repair(job, writes=writes, allow_dirty=session.options.allow_dirty)
    try:
        tracing = session.models.tracing
        traced = work if tracing is None else tracing.repair(job.routine.name, work)
        found = session.wait(session.thread.submit(traced))
        if found.routine is not None and found.old.home is not None:
            reason = found.outcome.reason + not_held_against(session, found.old.home)
            found = replace(found, outcome=replace(found.outcome, reason=reason))
        took = spent()
        found = replace(found, outcome=with_costs(found.outcome, took))
        # An edit in a review is measured, too; the time is that of the search, not of the reader.
        return with_costs(settle(session, job, found), replace(spent(), seconds=took.seconds))
    except MetapromptError as error:
        return RepairOutcome(job.routine.name, "error", str(error), count, count, runs=runs)


def make_job(
    session: PromptSession,
    group: Sequence[LoadedSuite],
    runs: tuple[Run, ...],
    models: RepairModels,
    progress: Callable[[str], None],
) -> RepairJob:
    """All that trying the cases of these suites under other routines needs.

    Raises:
        MetapromptError: A suite names a proposer that there is not.
    """
    settings = [loaded.suite.fix for loaded in group]
    lengths = [fix.max_length for fix in settings if fix.max_length is not None]
    routine = group[0].routine
    suites = [loaded.suite for loaded in group]
    seed, limit = session.options.seed, session.options.concurrency
    asker = Trier(models.asker(), session.tests, session.main)
    journal = FileJournal(session.root / OWN_FOLDER, routine.name)
    resumed = journal.was_interrupted(digest(routine.text), seed)
    kinds = [routine.editable if fix.edit is None else frozenset(fix.edit) for fix in settings]
    return RepairJob(
        routine=routine,
        runs=runs,
        subjects=_subjects(group),
        asker=asker,
        prober=asker if resumed else Trier(models.prober(), session.tests, session.main),
        proposers=choose_proposers(suites, models, session.config, asker=asker, limit=limit),
        editable=frozenset.intersection(*kinds),
        tools=frozenset(name for loaded in group if loaded.suite.target for name in loaded.suite.target.tool_names),
        seed=seed,
        limit=limit,
        journal=journal,
        progress=progress,
        holdout=max(fix.holdout for fix in settings),
        max_length=min(lengths) if lengths else None,
        calls=lambda: models.total.calls,
    )


def _subjects(group: Sequence[LoadedSuite]) -> tuple[Subject, ...]:
    """Every case, by its id, or by its node id where two suites have the same one."""
    ids = Counter(case.id for loaded in group for case in loaded.suite.cases)
    return tuple(
        Subject(case.id if ids[case.id] == 1 else f"{loaded.name}::{case.id}", loaded.suite, case)
        for loaded in group
        for case in loaded.suite.cases
    )


def budget_of(runs: tuple[Run, ...]) -> BudgetSettings:
    """What the suites allow, the least of each; and at most 5 askings a case and 20 a failing case, where an asking is
    as many calls as it took in the test run."""
    budgets = [run.suite.fix.budget for run in runs]
    results = [result for run in runs for result in run.results]
    default = sum((25 if result.outcome == "failed" else 5) * int(calls_of(result).total) for result in results)
    calls = [budget.calls for budget in budgets if budget.calls is not None]
    tokens = [budget.tokens for budget in budgets if budget.tokens is not None]
    usd = [budget.usd for budget in budgets if budget.usd is not None]
    seconds = [budget.seconds for budget in budgets if budget.seconds is not None]
    return BudgetSettings(
        calls=min(calls) if calls else default,
        tokens=min(tokens) if tokens else None,
        seconds=min(seconds) if seconds else None,
        usd=min(usd) if usd else None,
    )


def _unpriced(session: PromptSession, runs: tuple[Run, ...]) -> ModelSpec | None:
    """A model without a price, where a suite caps the cost: an unknown price never satisfies a cap."""
    if all(run.suite.fix.budget.usd is None for run in runs):
        return None
    specs = [spec for run in runs for spec in _models(run.suite)]
    return next((spec for spec in specs if session.models.price(spec) is None), None)


def _models(suite: Suite) -> list[ModelSpec]:
    """The models that a repair of the suite may ask."""
    customers = [case.simulation.model for case in suite.cases if case.simulation is not None]
    graders = [spec for case in suite.cases for spec, _ in judged_by(suite, case)]
    return [spec for spec in (suite.target, suite.meta, *graders, *customers) if spec is not None]


def _progress(say: Say, name: str, models: RepairModels, budget: BudgetSettings, text: str) -> None:
    say(f"{name}: {text} [{models.total.calls}/{budget.calls} calls]")
