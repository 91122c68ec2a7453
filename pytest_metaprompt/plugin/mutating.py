"""Looks for what no case guards, after the tests and any repair, in the routines as they are on disk then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from pytest_metaprompt.errors import MetapromptError
from pytest_metaprompt.plugin.repairing import budget_of, make_job, routine_groups
from pytest_metaprompt.plugin.session import PromptSession
from pytest_metaprompt.repair.mutation import find_unguarded
from pytest_metaprompt.results import Unguarded
from pytest_metaprompt.routines import open_routine

CALLS = 20
"""So many calls for each case are made at most, where `fix.budget.calls` says nothing."""


def mutate_all(session: PromptSession, say: Callable[[str], None]) -> None:
    """Examine every routine whose cases were all run; what is found is kept in the session, and told in its notes."""
    for group in routine_groups(session.suites.values()):
        if session.distributed and any(loaded.python for loaded in group):
            session.notes.append(f"{group[0].routine.name}: not examined: its Python tests ran in workers; add -n 0")
            continue
        known = session.final_runs()
        pairs = [session.tests.in_repair(loaded, known[loaded.suite.key]) for loaded in group]
        runs = tuple(run for _, run in pairs)
        if not all(run.complete and run.results for run in runs):
            session.notes.append(f"{group[0].routine.name}: not examined: some of its cases were not run")
            continue
        budget = budget_of(runs)
        if all(run.suite.fix.budget.calls is None for run in runs):
            budget = replace(budget, calls=CALLS * sum(len(run.results) for run in runs))
        try:
            routine = open_routine(group[0].suite.routine, root=session.root)
            models = session.models.for_repair(group[0].suite, budget)
            now = [replace(loaded, routine=routine) for loaded, _ in pairs]
            name = routine.name

            def tell(text: str, name: str = name) -> None:
                session.main.post(lambda: say(f"{name}: {text}"))

            job = make_job(session, now, runs, models, tell)
            found = session.wait(session.thread.submit(find_unguarded(job)))
        except MetapromptError as error:
            session.notes.append(f"{group[0].routine.name}: not examined: {error}")
            continue
        session.unguarded.update({loaded.suite.key: found for loaded in group})
        session.notes.extend(_told(found))


def _told(found: Unguarded) -> Iterator[str]:
    for sentence in found.sentences:
        yield f"{found.routine}: no case guards: {sentence!r}"
    for tool in found.tools:
        yield f"{found.routine}: no case expects or calls the tool {tool!r}"
    examined = f"{found.examined} sentences examined, {len(found.sentences)} unguarded"
    rest = f"; {found.left} not examined: the budget ended, or a call failed" if found.left else ""
    yield f"{found.routine}: {examined}{rest}"
