"""A simulated suite and target: what a text does to which case is known exactly, so that the gate can be measured.

A routine is a list of words. `fix:N` cures the cases of cause N, `harm:K` breaks case K for good, `memo:K` answers case
K by heart; any other word does nothing, but for the damage that a world adds. A case is stable or flaky, with its own
pass rate.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pytest_metaprompt.errors import BudgetExhaustedError, Place
from pytest_metaprompt.repair.job import MERGE, META, Findings, RepairJob
from pytest_metaprompt.repair.loop import Repair
from pytest_metaprompt.repair.proposers.merge import Merge
from pytest_metaprompt.results import (
    Attempt,
    CaseResult,
    Observation,
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

Suggest = Callable[[RepairState], Sequence[str]]
Draw = tuple[str, int, int]


@dataclass(frozen=True)
class World:
    """Cases by number: the cause that makes a case fail, if any, the pass rate of the flaky ones, and what a word does
    to the pass rate of cases besides."""

    cases: int = 50
    cause: dict[int, int] = field(default_factory=dict)
    rate: dict[int, float] = field(default_factory=dict)
    damage: dict[str, dict[int, float]] = field(default_factory=dict)
    seed: int = 0

    def pass_rate(self, text: str, number: int) -> float:
        words = set(text.split())
        if f"harm:{number}" in words:
            return 0.0
        rate = self.rate.get(number, 1.0)
        if number in self.cause:
            rate = 1.0 if f"fix:{self.cause[number]}" in words else 0.0
        for word, damaged in self.damage.items():
            if word in words:
                rate = min(rate, damaged.get(number, 1.0))
        return 1.0 if f"memo:{number}" in words else rate

    def passes(self, text: str, number: int, sample: int) -> bool:
        rate = self.pass_rate(text, number)
        return random.Random(f"{self.seed}|{text}|{number}|{sample}").random() < rate

    def true_rate(self, text: str) -> float:
        """The expected share of cases that pass."""
        return sum(self.pass_rate(text, number) for number in range(self.cases)) / self.cases


def published_world(seed: int, *, cases: int = 50, causes: int = 5, flips: int = 5) -> World:
    """50 cases, 10 failing from 5 causes, 5 coin flips, as in the published simulation; or another of the kind."""
    order = random.Random(seed).sample(range(cases), cases)
    return World(
        cases=cases,
        cause={number: at // 2 for at, number in enumerate(order[: 2 * causes])},
        rate=dict.fromkeys(order[2 * causes : 2 * causes + flips], 0.5),
        seed=seed,
    )


def null_meta(state: RepairState) -> list[str]:
    """Words that do nothing."""
    chance = random.Random(f"{state.seed}-{state.round}")
    return [f"noop{chance.randrange(10**9)}", f"noop{chance.randrange(10**9)}"]


def good_meta(world: World) -> Suggest:
    """Sees the causes of two failing cases, and cures each."""

    def suggest(state: RepairState) -> list[str]:
        causes = dict.fromkeys(world.cause[int(one.subject.key)] for one in state.failing if _has(world, one))
        return [f"fix:{cause}" for cause in list(causes)[:2]] or ["noop"]

    return suggest


def weak_meta(world: World) -> Suggest:
    """Right one time in four, and else without effect."""

    def suggest(state: RepairState) -> list[str]:
        chance = random.Random(f"{state.seed}-{state.round}-weak")
        return [
            good if chance.random() < 0.25 else f"noop{chance.randrange(10**9)}" for good in good_meta(world)(state)
        ]

    return suggest


def overfitting_meta(state: RepairState) -> list[str]:
    """Knows the failing cases by heart: all of them, or half."""
    keys = [one.subject.key for one in state.failing]
    return [" ".join(f"memo:{key}" for key in some) for some in (keys, keys[::2])]


def malicious_meta(world: World) -> Suggest:
    """Cures everything, and breaks one case that passes."""

    def suggest(state: RepairState) -> list[str]:
        cures = " ".join(f"fix:{cause}" for cause in sorted(set(world.cause.values())))
        sound = [number for number in range(world.cases) if number not in world.cause and number not in world.rate]
        victim = random.Random(f"{state.seed}-{state.round}").choice(sound)
        return [f"{cures} harm:{victim}"]

    return suggest


def _has(world: World, one: Observation) -> bool:
    return int(one.subject.key) in world.cause


class CutOffError(Exception):
    """The process is gone."""


@dataclass
class SimulatedClient:
    """Answers `right`, or `wrong` in the way of the cause, as often as the world says; refuses to be asked more often
    than allowed.

    What is in `known` is remembered from before and costs nothing. After `cut_after` paid draws the process is gone.
    """

    world: World
    most_calls: int | None = None
    calls: int = 0
    known: dict[Draw, Reply] = field(default_factory=dict)
    cut_after: int | None = None

    async def ask(self, request: Request) -> Reply:
        draw = (request.messages[0].content, int(request.messages[-1].content), request.sample)
        if draw not in self.known:
            if self.most_calls is not None and self.calls >= self.most_calls:
                raise BudgetExhaustedError("the call budget is used up")
            if self.calls == self.cut_after:
                raise CutOffError
            self.calls += 1
            self.known[draw] = self._answer(*draw)
        return self.known[draw]

    def _answer(self, text: str, number: int, sample: int) -> Reply:
        right = self.world.passes(text, number, sample)
        # A flaky target differs in its words as well, which is how the probe can see it.
        noise = random.Random(f"{self.world.seed}{number}{sample}").random() if self.world.rate else 0
        symptom = f"in the way of cause{self.world.cause[number]}" if number in self.world.cause else ""
        return Reply(f"right {noise}" if right else f"wrong {symptom} {noise}")


class RightScorer:
    async def score(self, attempt: Attempt) -> Verdict:
        passed = attempt.reply is not None and attempt.reply.text.startswith("right")
        return Verdict("starts-with", passed, float(passed), "" if passed else "wrong")


@dataclass
class ListedProposer:
    """Suggests what a function says for the round."""

    suggest: Suggest

    async def propose(self, state: RepairState) -> Sequence[Proposal]:
        return [Proposal("listed", words, f"{state.text} {words}") for words in self.suggest(state)]


class SilentJournal:
    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Json]]] = []

    def note(self, event: str, **details: Json) -> None:
        self.events.append((event, details))


async def simulate(
    world: World,
    suggest: Suggest,
    *,
    most_calls: int | None = None,
    repeat: int = 1,
    holdout: float = 0.25,
    known: dict[Draw, Reply] | None = None,
    cut_after: int | None = None,
) -> tuple[Findings, SimulatedClient]:
    """A test run and then a repair in the world. `known` are the draws of an earlier repair, and gets those of this."""
    client = SimulatedClient(world, known={} if known is None else known)
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
        proposers={MERGE: Merge(), META: ListedProposer(suggest)},
        editable=frozenset({"system"}),
        tools=frozenset(),
        seed=world.seed,
        limit=8,
        journal=SilentJournal(),
        progress=lambda text: None,
        holdout=holdout,
    )
    client.calls, client.most_calls, client.cut_after = 0, most_calls, cut_after
    return await Repair(job).run(), client


def _suite(world: World, repeat: int) -> Suite:
    cases = tuple(
        Case(
            str(number), Place("cases", number + 1), input=str(number), assertions=(Assertion("starts-with", "right"),)
        )
        for number in range(world.cases)
    )
    return Suite(Path("suite"), RoutineRef(inline=BASE), cases, target=ModelSpec("simulated", "world"), repeat=repeat)
