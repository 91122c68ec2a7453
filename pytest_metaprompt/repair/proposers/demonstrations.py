"""Worked examples from training cases, as turns before the last user message. Needs no meta model.

Each round suggests several sets. Until one is kept, small and large ones compete, and the smallest of equals wins; from
then on a few examples are added to those kept, or these are put into another order or replaced by a few more others.
What helps no more is not kept, so that their number grows only while it helps. Within a set the examples cover every
right answer where there are few, and differ from each other in their words.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_metaprompt.errors import RoutineError
from pytest_metaprompt.repair.likeness import likeness, words_of
from pytest_metaprompt.repair.showing import shown_turn
from pytest_metaprompt.results import Observation, Proposal, RepairState
from pytest_metaprompt.routines import Routine, Turn, add_turns, drop_turns, parse_routine
from pytest_metaprompt.templates import placeholders, tags

SIZES = (3, 6, 12, 16)
"""How many examples a set has until one is kept."""

SETS = 8
"""About so many sets are suggested at first, some of each size. A first choice is worth many: whatever comes later must
break nothing."""

_MANY_LABELS = 8


@dataclass(frozen=True, slots=True)
class _Example:
    key: str
    turn: Turn
    words: frozenset[str]


@dataclass(frozen=True, slots=True)
class Demonstrations:
    """Suggests sets of worked examples; nothing where the routine has no chat form or no answer is known."""

    async def propose(self, state: RepairState) -> Sequence[Proposal]:
        """The sets of this round, the same for the same seed and state."""
        routine = parse_routine(state.text, name=state.routine, form=state.form)
        if "examples" not in state.editable or not routine.takes_examples:
            return []
        pool = _pool(routine, (*state.failing, *state.passing))
        failing = {one.subject.key for one in state.failing}
        chance = random.Random(f"{state.seed}:{state.round}")
        if not pool:
            return []
        proposals = [_proposal(base, chosen, pool) for base, chosen in _choices(routine, pool, failing, chance=chance)]
        return list({proposal.text: proposal for proposal in proposals}.values())


def _choices(
    routine: Routine, pool: Sequence[_Example], failing: set[str], *, chance: random.Random
) -> list[tuple[Routine, list[Turn]]]:
    """What to build on, and the examples to add to it."""
    if not routine.turns:
        sizes = dict.fromkeys(_whole_rounds(size, pool) for size in SIZES)
        return [(routine, _pick(pool, size, chance)) for size in sizes for _ in range(SETS // len(sizes))]
    shown = set(routine.turns)
    fresh = [example for example in pool if example.turn not in shown]
    missed = [example for example in fresh if example.key in failing]
    base = drop_turns(routine)
    more = _whole_rounds(len(routine.turns) + SIZES[0], pool)
    return [
        (routine, _pick(missed or fresh, 2, chance)),
        (routine, _pick(fresh, _whole_rounds(3, pool), chance)),
        (base, _reordered(routine.turns, chance)),
        (base, _pick(pool, more, chance)),
        (base, _pick(pool, more, chance)),
    ]


def _reordered(turns: Sequence[Turn], chance: random.Random) -> list[Turn]:
    """The same examples in another order: the last ones weigh the most with many models."""
    order = chance.sample(list(turns), len(turns))
    return order if order != list(turns) else order[::-1]


def _proposal(base: Routine, chosen: Sequence[Turn], pool: Sequence[_Example]) -> Proposal:
    text = add_turns(base, chosen).text
    turns = {*base.turns, *chosen}
    own = frozenset(example.key for example in pool if example.turn in turns)
    verb = "after the ones that help" if base.turns else "before the question"
    hypothesis = f"{len(chosen)} worked examples {verb} show the target the form that is wanted"
    return Proposal("demonstrations", hypothesis, text, examples_from=own)


def _pool(routine: Routine, observations: Sequence[Observation]) -> list[_Example]:
    """The training cases that can be shown: one user message, and a known answer that fits into a routine file."""
    examples = [_example(routine, observation) for observation in observations]
    return [example for example in examples if example is not None]


def _example(routine: Routine, observation: Observation) -> _Example | None:
    case = observation.subject.case
    turn = None if case.messages else shown_turn(routine, observation.subject)
    if turn is None or not turn.assistant or not turn.user:
        return None
    if any(placeholders(text) or tags(text) for text in (turn.user, turn.assistant)):
        return None
    try:
        add_turns(routine, [turn])
    except RoutineError:  # Its text would open a message in the file.
        return None
    return _Example(observation.subject.key, turn, words_of(turn.user))


def _labels(pool: Sequence[_Example]) -> dict[str, list[_Example]]:
    groups: dict[str, list[_Example]] = defaultdict(list)
    for example in pool:
        groups[example.turn.assistant].append(example)
    return groups


def _are_classes(groups: Mapping[str, Sequence[_Example]]) -> bool:
    """Whether the right answers are a few classes, each with several cases, and not an answer for each case."""
    return 1 < len(groups) <= _MANY_LABELS and sum(map(len, groups.values())) >= 2 * len(groups)


def _whole_rounds(size: int, pool: Sequence[_Example]) -> int:
    """The size, made so that every right answer is shown equally often where there are few, and half of the cases at
    most are shown: the others are the evidence."""
    most = max(1, len(pool) // 2)
    if not _are_classes(_labels(pool)):
        return min(size, most)
    labels = len(_labels(pool))
    return min(-(-size // labels) * labels, max(most // labels * labels, min(labels, most)))


def _pick(pool: Sequence[_Example], size: int, chance: random.Random) -> list[Turn]:
    """A set in random order: its answers in equal numbers where there are few, its inputs unlike each other."""
    groups = _labels(pool)
    rows = list(groups.values()) if _are_classes(groups) else [list(pool)]
    left = [chance.sample(row, len(row)) for row in rows]
    chosen: list[_Example] = []
    while len(chosen) < size and any(left):
        for row in left:
            if row and len(chosen) < size:
                # A handful of candidates, not all of them, so that different draws give different sets.
                best = min(row[:4], key=lambda example: _likeness(example, chosen))
                row.remove(best)
                chosen.append(best)
    chance.shuffle(chosen)
    return [example.turn for example in chosen]


def _likeness(example: _Example, chosen: Sequence[_Example]) -> float:
    """How much it is like an example that is already chosen."""
    return max((likeness(example.words, one.words) for one in chosen), default=0.0)
