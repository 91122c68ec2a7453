"""Failures with the same root cause, as far as their verdicts tell, so that one of each can stand for the rest; and,
among those of one cause, which replies are alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from math import log

from pytest_metaprompt.repair.differences import cause_of
from pytest_metaprompt.repair.likeness import words_of
from pytest_metaprompt.results import Observation

_ALIKE = 0.5
"""Replies that share so much of what their words tell are of one kind."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Failing cases of one cause: the assertions that fail, the fields that differ, and how; of these, those whose
    replies are alike, or those whose replies are like no other.
    """

    cause: str
    members: tuple[Observation, ...]


def cluster(failing: Sequence[Observation]) -> list[Cluster]:
    """The failures by cause, the largest cluster first."""
    found = [
        Cluster(cause, tuple(kind))
        for cause, members in _by_cause(failing).items()
        for kind in _with_odd_ones_together(_kinds(members))
    ]
    return sorted(found, key=lambda one: len(one.members), reverse=True)


def round_robin(failing: Sequence[Observation]) -> list[Observation]:
    """The same observations, alternating between the clusters."""
    rows = chain.from_iterable(zip_longest(*(one.members for one in cluster(failing))))
    return [observation for observation in rows if observation is not None]


def siblings(failing: Sequence[Observation]) -> list[tuple[str, ...]]:
    """The keys of the cases that fail in the same way: the same cause, and replies of one kind."""
    kinds = chain.from_iterable(_kinds(members) for members in _by_cause(failing).values())
    return [tuple(one.subject.key for one in kind) for kind in kinds]


def _by_cause(failing: Sequence[Observation]) -> Mapping[str, Sequence[Observation]]:
    groups: dict[str, list[Observation]] = {}
    for observation in failing:
        groups.setdefault(_cause(observation), []).append(observation)
    return groups


def _cause(observation: Observation) -> str:
    failed = [cause_of(verdict) for verdict in observation.attempt.verdicts if not verdict.passed]
    return " | ".join(dict.fromkeys(failed)) or "no reply that could be checked"


def _with_odd_ones_together(kinds: Sequence[list[Observation]]) -> list[list[Observation]]:
    odd = [one for kind in kinds if len(kind) == 1 for one in kind]
    return [*(kind for kind in kinds if len(kind) > 1), *([odd] if odd else [])]


def _kinds(members: Sequence[Observation]) -> list[list[Observation]]:
    """Members whose replies are alike, together. The fewer replies have a word, the more it tells; what only one has is
    of its case, and tells nothing."""
    words = [_said(one) for one in members]
    often = Counter(chain.from_iterable(words))
    weight = {word: log(len(members) / count) for word, count in often.items() if 1 < count < len(members)}
    kinds: list[tuple[frozenset[str], list[Observation]]] = []
    for one, said in zip(members, words, strict=True):
        telling = said & weight.keys()
        for of_first, kind in kinds:
            if telling == of_first or _shared(telling, of_first, weight) >= _ALIKE:
                kind.append(one)
                break
        else:
            kinds.append((telling, [one]))
    return [kind for _, kind in kinds]


def _shared(one: frozenset[str], other: frozenset[str], weight: Mapping[str, float]) -> float:
    """The weight of the words in common, as a share of that of all words of both."""
    return sum(map(weight.__getitem__, one & other)) / sum(map(weight.__getitem__, one | other))


def _said(one: Observation) -> frozenset[str]:
    reply = one.attempt.reply
    if reply is None:
        return frozenset()
    return words_of(" ".join([reply.text, *(f"{call.name} {call.raw_arguments}" for call in reply.tool_calls)]))
