"""A simulated target that learns from worked examples: which are shown, how many, and in which order all matter.

A case has one of four labels and a difficulty. It passes if the examples before it help enough: those with its label,
the variety of labels, the hidden quality of each example, and the last example, whose label it leans to.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pytest_metaprompt.errors import Place
from pytest_metaprompt.repair.job import Findings, RepairJob
from pytest_metaprompt.repair.loop import Repair
from pytest_metaprompt.repair.proposers.demonstrations import Demonstrations
from pytest_metaprompt.results import CaseResult, Reply, Request, Run, Subject
from pytest_metaprompt.routines import Turn, parse_routine
from pytest_metaprompt.runner import Asker, outcome_of
from pytest_metaprompt.suites import Assertion, Case, ModelSpec, RoutineRef, Suite
from tests.repair.simulator import RightScorer, SilentJournal

ROUTINE = "---\nname: intents\n---\nsystem:\nName the intent.\n\nuser:\n{{message}}\n"
LABELS = ("refund", "cancel", "track", "other")

BOOTSTRAPPED, LABELLED, CANDIDATES = 4, 16, 16
"""dspy's `max_bootstrapped_demos`, `max_labeled_demos` and `num_candidate_programs`."""


@dataclass
class ExamplesWorld:
    seed: int
    cases: int = 40
    calls: int = 0
    labels: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        chance = random.Random(self.seed)
        self.labels = {f"message {number}": chance.choice(LABELS) for number in range(self.cases + 200)}

    def quality(self, message: str) -> float:
        """How well an example teaches: some mislead."""
        return random.Random(f"{self.seed} quality {message}").uniform(-0.12, 0.12)

    def passes(self, turns: Sequence[Turn], message: str) -> bool:
        difficulty = random.Random(f"{self.seed} difficulty {message}").uniform(0.1, 1.1)
        label = self.labels[message]
        same = sum(turn.assistant.split()[-1] == label for turn in turns)
        help_ = 0.5 * min(same, 3) / 3 + 0.3 * len({turn.assistant for turn in turns}) / len(LABELS)
        help_ += sum(self.quality(turn.user) for turn in turns[-8:])
        if turns:
            help_ += 0.15 if turns[-1].assistant.split()[-1] in (label, "other") else -0.05
        return help_ > difficulty

    def accuracy(self, turns: Sequence[Turn]) -> float:
        """On 200 messages that nobody trained with."""
        unseen = [f"message {number}" for number in range(self.cases, self.cases + 200)]
        return sum(self.passes(turns, message) for message in unseen) / len(unseen)

    async def ask(self, request: Request) -> Reply:
        self.calls += 1
        spoken = [message.content for message in request.messages if message.role != "system"]
        turns = [Turn(spoken[at], spoken[at + 1]) for at in range(0, len(spoken) - 1, 2)]
        return Reply("right" if self.passes(turns, spoken[-1]) else "wrong")


async def our_search(world: ExamplesWorld) -> tuple[Findings, int]:
    """A test run, and a repair with nothing but demonstrations; how many calls the repair took."""
    cases = tuple(
        Case(
            str(number),
            Place("cases", number + 1),
            vars={"message": f"message {number}"},
            assertions=(Assertion("starts-with", "right"),),
            answer=world.labels[f"message {number}"],
        )
        for number in range(world.cases)
    )
    suite = Suite(Path("suite"), RoutineRef(inline=ROUTINE), cases, target=ModelSpec("simulated", "world"))
    routine = parse_routine(ROUTINE, name="routine.prompty", form="chat")
    asker = Asker(lambda suite, spec: world, lambda suite, assertion: RightScorer())
    attempts = [await asker.attempt(suite, case, routine, 0) for case in cases]
    results = tuple(CaseResult(one.case, (one,), outcome_of(suite, [one])) for one in attempts)
    job = RepairJob(
        routine=routine,
        runs=(Run(suite, results),),
        subjects=tuple(Subject(case.id, suite, case) for case in cases),
        asker=asker,
        prober=asker,
        proposers={"demonstrations": Demonstrations()},
        editable=frozenset({"system", "examples"}),
        tools=frozenset(),
        seed=world.seed,
        limit=8,
        journal=SilentJournal(),
        progress=lambda text: None,
    )
    world.calls = 0
    return await Repair(job).run(), world.calls


def random_search(world: ExamplesWorld, *, calls: int) -> list[Turn]:
    """What dspy's BootstrapFewShotWithRandomSearch finds with its default sizes and at most so many calls.

    Step by step as in dspy 3.4.1 (`compile` in `dspy/teleprompt/random_search.py`, `_bootstrap` and `_train` in
    `dspy/teleprompt/bootstrap.py`, `LabeledFewShot` in `vanilla.py`), where the student teaches itself and a
    bootstrapped answer that passes is the right one. On these worlds dspy itself makes the same 19 candidates with as
    many calls, and keeps the same one. It can only stop between two candidates.
    """
    train = [Turn(f"message {number}", world.labels[f"message {number}"]) for number in range(world.cases)]
    best: tuple[float, list[Turn]] = (-1.0, [])
    for seed in range(-3, CANDIDATES):
        demonstrations, tried = _candidate(world, train, seed)
        calls -= tried + len(train)
        if calls < 0:
            break
        score = sum(world.passes(demonstrations, turn.user) for turn in train) / len(train)
        if score > best[0]:
            best = (score, demonstrations)
    return best[1]


def _candidate(world: ExamplesWorld, train: Sequence[Turn], seed: int) -> tuple[list[Turn], int]:
    """A candidate's demonstrations, and the calls that it took to bootstrap them."""
    if seed == -3:
        return [], 0
    order = list(train)
    if seed == -2:
        return random.Random(0).sample(order, LABELLED), 0
    size = BOOTSTRAPPED
    if seed >= 0:
        random.Random(seed).shuffle(order)
        size = random.Random(seed).randint(1, BOOTSTRAPPED)
    teacher = random.Random(0).sample(order, LABELLED)
    passing: list[Turn] = []
    tried = 0
    for turn in order:
        if len(passing) >= size:
            break
        tried += 1
        if world.passes([one for one in teacher if one != turn], turn.user):
            passing.append(turn)
    rest = [turn for turn in order if turn not in passing]
    random.Random(0).shuffle(rest)
    return [*passing, *random.Random(0).sample(rest, min(LABELLED - len(passing), len(rest)))], tried
