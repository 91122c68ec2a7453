"""Repairs every failing routine of a session, one after the other, and tells pytest what changed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from pytest_metaprompt.clients.prices import price_hint
from pytest_metaprompt.errors import MetapromptError
from pytest_metaprompt.files import SourceText
from pytest_metaprompt.plugin.forecast import forecast
from pytest_metaprompt.plugin.models import RepairModels
from pytest_metaprompt.plugin.proposing import choose_proposers
from pytest_metaprompt.plugin.session import LoadedSuite, PromptSession
from pytest_metaprompt.plugin.settling import settle
from pytest_metaprompt.repair.job import RepairJob
from pytest_metaprompt.repair.journal import FOLDER, FileJournal
from pytest_metaprompt.repair.loop import digest
from pytest_metaprompt.repair.outcome import Spent, find_repair, with_costs
from pytest_metaprompt.results import Count, RepairOutcome, Run, Subject
from pytest_metaprompt.suites import BudgetSettings, Json, ModelSpec

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
    runs = tuple(session.runs()[loaded.suite.key] for loaded in group)
    count = Count(sum(run.passed for run in runs), sum(len(run.results) for run in runs))
    outcome = RepairOutcome(group[0].routine.name, "not_needed", "no case fails", count, count, runs=runs)
    if not any(result.outcome == "failed" for run in runs for result in run.results):
        return outcome
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


def _search(
    session: PromptSession, group: Sequence[LoadedSuite], runs: tuple[Run, ...], count: Count, say: Say
) -> RepairOutcome:
    budget = _budget(runs)
    models = session.models.for_repair(group[0].suite, budget)
    meta = next((loaded.suite.meta for loaded in group if loaded.suite.meta is not None), None)
    say(f"{group[0].routine.name}: {forecast(runs, meta, budget, session.models.price)}")
    started = time.perf_counter()
    try:
        job = _job(session, group, runs, models, partial(_progress, say, group[0].routine.name, models, budget))
    except MetapromptError as error:
        return RepairOutcome(group[0].routine.name, "error", str(error), count, count, runs=runs)
    job = replace(job, max_seconds=budget.seconds)

    def spent() -> Spent:
        return Spent(
            target_calls=models.used("target").calls,
            meta_calls=models.used("meta").calls,
            cached_calls=models.total.cached,
            cost_usd=models.total.cost_usd,
            seconds=time.perf_counter() - started,
        )

    writes = session.options.mode in ("apply", "review")
    work = find_repair(job, writes=writes, allow_dirty=session.options.allow_dirty)
    try:
        found = session.thread.submit(work).result()
        found = replace(found, outcome=with_costs(found.outcome, spent()))
        return settle(session, job, found)
    except MetapromptError as error:
        return RepairOutcome(job.routine.name, "error", str(error), count, count, runs=runs)


def _job(
    session: PromptSession,
    group: Sequence[LoadedSuite],
    runs: tuple[Run, ...],
    models: RepairModels,
    progress: Callable[[str], None],
) -> RepairJob:
    settings = [loaded.suite.fix for loaded in group]
    lengths = [fix.max_length for fix in settings if fix.max_length is not None]
    routine = group[0].routine
    seed = session.options.seed
    journal = FileJournal(session.root / FOLDER, routine.name)
    kinds = [routine.editable if fix.edit is None else frozenset(fix.edit) for fix in settings]
    return RepairJob(
        routine=routine,
        runs=runs,
        subjects=_subjects(group),
        asker=models.asker(),
        prober=models.asker() if journal.was_interrupted(digest(routine.text), seed) else models.prober(),
        proposers=choose_proposers(
            [loaded.suite for loaded in group], models, session.config, limit=session.options.concurrency
        ),
        editable=frozenset.intersection(*kinds),
        tools=frozenset(_tool_names(group)),
        seed=seed,
        limit=session.options.concurrency,
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


def _budget(runs: tuple[Run, ...]) -> BudgetSettings:
    """What the suites allow, the least of each; and at most 5 calls a case and 20 a failing case."""
    budgets = [run.suite.fix.budget for run in runs]
    results = [result for run in runs for result in run.results]
    failing = sum(result.outcome == "failed" for result in results)
    calls = [budget.calls for budget in budgets if budget.calls is not None]
    tokens = [budget.tokens for budget in budgets if budget.tokens is not None]
    usd = [budget.usd for budget in budgets if budget.usd is not None]
    seconds = [budget.seconds for budget in budgets if budget.seconds is not None]
    return BudgetSettings(
        calls=min(calls) if calls else 5 * len(results) + 20 * failing,
        tokens=min(tokens) if tokens else None,
        seconds=min(seconds) if seconds else None,
        usd=min(usd) if usd else None,
    )


def _unpriced(session: PromptSession, runs: tuple[Run, ...]) -> ModelSpec | None:
    """A model without a price, where a suite caps the cost: an unknown price never satisfies a cap."""
    if all(run.suite.fix.budget.usd is None for run in runs):
        return None
    specs = [spec for run in runs for spec in (run.suite.target, run.suite.meta) if spec is not None]
    return next((spec for spec in specs if session.models.price(spec) is None), None)


def _tool_names(group: Sequence[LoadedSuite]) -> Iterator[str]:
    for loaded in group:
        for tool in _tools(loaded.suite.target):
            function = tool.get("function") if isinstance(tool, dict) else None
            name = function.get("name") if isinstance(function, dict) else None
            if isinstance(name, str):
                yield name


def _tools(target: ModelSpec | None) -> list[Json]:
    tools = target.params.get("tools") if target is not None else None
    return list(tools) if isinstance(tools, list | tuple) else []


def _progress(say: Say, name: str, models: RepairModels, budget: BudgetSettings, text: str) -> None:
    say(f"{name}: {text} [{models.total.calls}/{budget.calls} calls]")
