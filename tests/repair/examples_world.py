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
    """dspy's BootstrapFewShotWithRandomSearch where every right answer is known: no examples, 16 labelled ones, the
    first four with labelled ones, then shuffled choices of 1 to 4 with labelled ones up to 16, each measured on all
    training cases, the best mean kept; as many candidates as the calls allow.

    After dspy 3.0, `dspy/teleprompt/random_search.py` and `bootstrap.py`, with their default sizes.
    """
    chance = random.Random(world.seed)
    train = [f"message {number}" for number in range(world.cases)]
    turns = [Turn(message, world.labels[message]) for message in train]
    best: tuple[float, list[Turn]] = (-1.0, [])
    for number in range(calls // world.cases):
        if number == 0:
            chosen: list[Turn] = []
        elif number == 1:
            chosen = chance.sample(turns, 16)
        else:
            order = turns if number == 2 else chance.sample(turns, len(turns))
            size = 4 if number == 2 else chance.randint(1, 4)
            chosen = [*order[:size], *chance.sample(order[size:], 16 - size)]
        score = sum(world.passes(chosen, message) for message in train) / len(train)
        best = max(best, (score, chosen), key=lambda pair: pair[0])
    return best[1]
