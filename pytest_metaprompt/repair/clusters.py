"""Failures with the same root cause, as far as their verdicts tell, so that one of each can stand for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

from pytest_metaprompt.repair.differences import cause_of
from pytest_metaprompt.results import Observation


@dataclass(frozen=True, slots=True)
class Cluster:
    """Failing cases of one cause: the assertions that fail, the fields that differ, and how."""

    cause: str
    members: tuple[Observation, ...]


def cluster(failing: Sequence[Observation]) -> list[Cluster]:
    """The failures by cause, the largest cluster first."""
    groups: dict[str, list[Observation]] = {}
    for observation in failing:
        groups.setdefault(_cause(observation), []).append(observation)
    found = [Cluster(cause, tuple(members)) for cause, members in groups.items()]
    return sorted(found, key=lambda one: len(one.members), reverse=True)


def round_robin(failing: Sequence[Observation]) -> list[Observation]:
    """The same observations, alternating between the clusters."""
    rows = chain.from_iterable(zip_longest(*(one.members for one in cluster(failing))))
    return [observation for observation in rows if observation is not None]


def _cause(observation: Observation) -> str:
    failed = [cause_of(verdict) for verdict in observation.attempt.verdicts if not verdict.passed]
    return " | ".join(dict.fromkeys(failed)) or "no reply that could be checked"
