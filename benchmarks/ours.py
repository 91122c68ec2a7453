"""Our repair as an arm, whole and with single decisions taken out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from benchmarks.bed import Bed, Candidate
from benchmarks.counter import CapReachedError, Meter
from pytest_metaprompt.errors import BudgetExhaustedError, Place
from pytest_metaprompt.protocols import Proposer
from pytest_metaprompt.repair import batching, loop, proof
from pytest_metaprompt.repair.acceptance import Confirmed, Entrant, Standing
from pytest_metaprompt.repair.bench import Bench
from pytest_metaprompt.repair.job import MERGE, Findings, RepairJob
from pytest_metaprompt.repair.loop import Repair
from pytest_metaprompt.repair.proposers.demonstrations import Demonstrations
from pytest_metaprompt.repair.proposers.edits import Edits
from pytest_metaprompt.repair.proposers.merge import Merge
from pytest_metaprompt.repair.proposers.reflect import Reflect
from pytest_metaprompt.results import Attempt, CaseResult, Reply, Request, Run, Subject, Verdict
from pytest_metaprompt.routines import Routine, parse_routine
from pytest_metaprompt.runner import Asker, outcome_of
from pytest_metaprompt.suites import Assertion, Case, Json, ModelSpec, RoutineRef, Suite

ABLATIONS = {
    "ours": "the repair as it is",
    "ours-no-race": "every proposal tries every failing case before one is chosen",
    "ours-no-confirm": "one pass makes a case fixed",
    "ours-no-guard": "passing training cases are not looked at",
    "ours-no-holdout": "nothing is held out",
    "ours-k1": "the meta model gives one proposal a call, not two",
    "ours-16-rounds": "16 rounds at most, not 8",
    "ours-twice": "16 rounds at most, and twice the budget",
    "ours-long": "16 rounds, twice the budget, and nothing is held out",
    "ours-shows-all": "the meta model is shown every failing case, not three of each cluster",
}

STAGES = {
    "probing": "probe",
    "asking": "screen",
    "racing": "race",
    "confirming": "confirm",
    "guarding": "guard",
    "hold-out of": "hold-out",
}
"""What the repair's progress says, and the stage that begins with it."""


def run_ours(arm: str, meter: Meter, *, seed: int, demonstrations: bool) -> None:
    """One run: the test run first, then the repair; `meter` holds what came out."""
    with _without(arm):
        found = asyncio.run(_repair(arm, meter, seed=seed, demonstrations=demonstrations))
    if found is not None:
        meter.holds(_candidate(found.current))
        meter.end = "budget" if found.out_of_budget else found.reason


async def _repair(arm: str, meter: Meter, *, seed: int, demonstrations: bool) -> Findings | None:
    bed = meter.bed
    suite = _suite(bed)
    routine = parse_routine(_text(bed.base), name="routine.prompty", form="chat")
    asker = Asker(lambda suite, spec: _Target(meter), lambda suite, assertion: _Judge(bed))
    meter.stage = "test run"
    try:
        results = [await _tested(asker, suite, case, routine) for case in suite.cases]
    except BudgetExhaustedError:
        return None
    failing = sum(result.outcome == "failed" for result in results)
    # The hard budget that a repair has where the suite says nothing.
    budget = (5 * len(results) + 20 * failing) * (2 if arm in ("ours-twice", "ours-long") else 1)
    meter.cap = min(meter.cap, meter.target_calls + budget)
    proposers: dict[str, Proposer] = {MERGE: Merge()}
    if demonstrations:
        proposers["demonstrations"] = Demonstrations()
    proposers["edits"] = Edits()
    if bed.has_meta:
        proposers["reflect"] = Reflect(_Meta(meter, 1 if arm == "ours-k1" else 2), ModelSpec("scripted", "meta"))
    repair = Repair(
        RepairJob(
            routine=routine,
            runs=(Run(suite, tuple(results)),),
            subjects=tuple(Subject(case.id, suite, case) for case in suite.cases),
            asker=asker,
            prober=asker,
            proposers=proposers,
            editable=routine.editable,
            tools=frozenset(),
            seed=seed,
            limit=1,
            journal=_Journal(),
            progress=lambda text: _follow(meter, text, repair.found),
            holdout=0.0 if arm in ("ours-no-holdout", "ours-long") else 0.25,
        )
    )
    if failing:
        return await repair.run()
    return None


def _follow(meter: Meter, text: str, found: Findings) -> None:
    """Note what the repair has in hand, and which stage the next calls are for."""
    meter.holds(_candidate(found.current))
    for word, stage in STAGES.items():
        if word in text:
            meter.stage = stage


async def _tested(asker: Asker, suite: Suite, case: Case, routine: Routine) -> CaseResult:
    attempts = (await asker.attempt(suite, case, routine, 0),)
    return CaseResult(case, attempts, outcome_of(suite, attempts))


def _suite(bed: Bed) -> Suite:
    cases = tuple(
        Case(
            one.id,
            Place("cases", at + 1),
            vars={"question": one.text},
            assertions=(Assertion("equals", one.answer),),
            answer=one.answer,
        )
        for at, one in enumerate(bed.train)
    )
    return Suite(Path("suite"), RoutineRef(inline=bed.base.system), cases, target=ModelSpec("scripted", "target"))


def _text(candidate: Candidate) -> str:
    return f"---\nname: routine\n---\nsystem:\n{candidate.system}\n\nuser:\n{{{{question}}}}\n"


def _candidate(routine: Routine) -> Candidate:
    return Candidate(routine.parts[0].text.strip(), tuple((turn.user, turn.assistant) for turn in routine.turns))


@dataclass(frozen=True)
class _Target:
    meter: Meter

    async def ask(self, request: Request) -> Reply:
        try:
            return Reply(
                self.meter.ask([{"role": one.role, "content": one.content.strip()} for one in request.messages])
            )
        except CapReachedError:
            raise BudgetExhaustedError("the call budget is used up") from None


@dataclass(frozen=True)
class _Meta:
    """The shared meta model, asked for one envelope with so many proposals."""

    meter: Meter
    proposals: int

    async def ask(self, request: Request) -> Reply:
        prompt = "\n\n".join(one.content for one in request.messages)
        return Reply(self.meter.advise(prompt, self.proposals)[0], finish_reason="stop")


@dataclass(frozen=True)
class _Judge:
    bed: Bed

    async def score(self, attempt: Attempt) -> Verdict:
        question = next(one for one in self.bed.train if one.id == attempt.case.id)
        reply = attempt.reply.text if attempt.reply else ""
        passed = self.bed.passes(question, reply)
        # The words of `equals` and `starts-with`: failures are clustered by them.
        return Verdict(
            "equals", passed, float(passed), "" if passed else f"expected {question.answer!r}, got {reply!r}"
        )


class _Journal:
    def note(self, event: str, **details: Json) -> None:
        """Nothing is kept."""


@contextmanager
def _without(arm: str) -> Iterator[None]:
    """The loop with one decision taken out."""
    changes: dict[str, tuple[object, str, object]] = {
        "ours-no-race": (loop, "race", _try_all),
        "ours-no-confirm": (proof, "confirm", _believe),
        "ours-no-guard": (proof, "guard", _look_away),
        "ours-16-rounds": (loop, "MAX_ROUNDS", 16),
        "ours-twice": (loop, "MAX_ROUNDS", 16),
        "ours-long": (loop, "MAX_ROUNDS", 16),
        "ours-shows-all": (batching, "_STEPS", ((1000, 1200), *batching._STEPS)),
    }
    with ExitStack() as stack:
        if arm in changes:
            module, name, value = changes[arm]
            stack.enter_context(patch.object(module, name, value))
        yield


async def _try_all(bench: Bench, entrants: Sequence[Entrant], failing: Sequence[str]) -> list[Standing]:
    standings = []
    for entrant in entrants:
        keys = [key for key in failing if key not in entrant.own]
        won = [key for key in keys if await bench.first(entrant.text, key)]
        standings.append(Standing(entrant, tuple(won)))
    return sorted(standings, key=lambda one: one.reach, reverse=True)


async def _believe(bench: Bench, current: str, candidate: str, claims: Sequence[str], strict: object) -> Confirmed:
    return Confirmed(tuple(claims), ())


async def _look_away(*args: object, **kwargs: object) -> tuple[str, ...]:
    return ()
