"""A simulated suite and target: what a text does to which case is known exactly, so that the gate can be measured.

A routine is a list of words. `fix:N` cures the cases of cause N, `harm:K` breaks case K for good, `memo:K` answers case
K by heart; any other word does nothing. A case is stable or flaky, with its own pass rate.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pytest_metaprompt.errors import BudgetExhaustedError, Place
from pytest_metaprompt.repair.job import Findings, RepairJob
from pytest_metaprompt.repair.loop import Repair
from pytest_metaprompt.results import (
    Attempt,
    CaseResult,
    Proposal,
    RepairState,
    Reply,
    Request,
    Run,
    Subject,
    Verdict,
)
from pytest_metaprompt.routines import parse_routine
from pytest_metaprompt.runner import Asker, outcome_of
from pytest_metaprompt.suites import Assertion, Case, Json, ModelSpec, RoutineRef, Suite

BASE = "answer the question well"
ROUTINE = "routine.md"


@dataclass(frozen=True)
class World:
    """Cases by number: the cause that makes a case fail, if any, and the pass rate of the flaky ones."""

    cases: int = 50
    cause: dict[int, int] = field(default_factory=dict)
    rate: dict[int, float] = field(default_factory=dict)
    seed: int = 0

    def pass_rate(self, text: str, number: int) -> float:
        words = set(text.split())
        if f"harm:{number}" in words:
            return 0.0
        if f"memo:{number}" in words:
            return 1.0
        if number in self.cause:
            return 1.0 if f"fix:{self.cause[number]}" in words else 0.0
        return self.rate.get(number, 1.0)

    def passes(self, text: str, number: int, sample: int) -> bool:
        rate = self.pass_rate(text, number)
        return random.Random(f"{self.seed}|{text}|{number}|{sample}").random() < rate


def published_world(seed: int) -> World:
    """50 cases, 10 failing from 5 causes, 5 coin flips, as in the published simulation."""
    order = random.Random(seed).sample(range(50), 50)
    return World(
        cause={number: at // 2 for at, number in enumerate(order[:10])},
        rate=dict.fromkeys(order[10:15], 0.5),
        seed=seed,
    )


@dataclass
class SimulatedClient:
    """Answers `right` or `wrong`, as often as the world says; refuses to be asked more often than allowed."""

    world: World
    most_calls: int | None = None
    calls: int = 0

    async def ask(self, request: Request) -> Reply:
        if self.most_calls is not None and self.calls >= self.most_calls:
            raise BudgetExhaustedError("the call budget is used up")
        self.calls += 1
        number = int(request.messages[-1].content)
        right = self.world.passes(request.messages[0].content, number, request.sample)
        # A flaky target differs in its words as well, which is how the probe can see it.
        noise = random.Random(f"{self.world.seed}{number}{request.sample}").random() if self.world.rate else 0
        return Reply(f"{'right' if right else 'wrong'} {noise}")


class RightScorer:
    async def score(self, attempt: Attempt) -> Verdict:
        passed = attempt.reply is not None and attempt.reply.text.startswith("right")
        return Verdict("starts-with", passed, float(passed), "" if passed else "wrong")


@dataclass
class ListedProposer:
    """Suggests what a function says for the round."""

    suggest: Callable[[RepairState], Sequence[str]]

    async def propose(self, state: RepairState) -> Sequence[Proposal]:
        return [Proposal("listed", words, f"{state.text} {words}") for words in self.suggest(state)]


class SilentJournal:
    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Json]]] = []

    def note(self, event: str, **details: Json) -> None:
        self.events.append((event, details))


async def simulate(
    world: World, suggest: Callable[[RepairState], Sequence[str]], *, most_calls: int | None = None, repeat: int = 1
) -> tuple[Findings, SimulatedClient]:
    """A test run and then a repair in the world."""
    client = SimulatedClient(world)
    suite = _suite(world, repeat)
    routine = parse_routine(BASE, name=ROUTINE, form="plain")
    asker = Asker(lambda suite, spec: client, lambda suite, assertion: RightScorer())
    results = []
    for case in suite.cases:
        attempts = [await asker.attempt(suite, case, routine, sample) for sample in range(repeat)]
        results.append(CaseResult(case, tuple(attempts), outcome_of(suite, attempts)))
    job = RepairJob(
        routine=routine,
        runs=(Run(suite, tuple(results)),),
        subjects=tuple(Subject(case.id, suite, case) for case in suite.cases),
        asker=asker,
        prober=asker,
        proposers={"listed": ListedProposer(suggest)},
        editable=frozenset({"system"}),
        tools=frozenset(),
        seed=world.seed,
        limit=8,
        journal=SilentJournal(),
        progress=lambda text: None,
    )
    client.calls, client.most_calls = 0, most_calls
    return await Repair(job).run(), client


def _suite(world: World, repeat: int) -> Suite:
    cases = tuple(
        Case(
            str(number), Place("cases", number + 1), input=str(number), assertions=(Assertion("starts-with", "right"),)
        )
        for number in range(world.cases)
    )
    return Suite(Path("suite"), RoutineRef(inline=BASE), cases, target=ModelSpec("simulated", "world"), repeat=repeat)
