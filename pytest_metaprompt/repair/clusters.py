"""Failures with the same root cause, as far as their verdicts tell, so that one of each can stand for the rest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain, zip_longest

from pytest_metaprompt.results import Observation

_VALUE = re.compile(r"'[^']*'|\"[^\"]*\"|\d+")


def cluster(failing: Sequence[Observation]) -> list[list[Observation]]:
    """Groups of observations whose failed verdicts say the same but for the values in them; the largest first."""
    groups: dict[tuple[str, ...], list[Observation]] = {}
    for observation in failing:
        groups.setdefault(_signature(observation), []).append(observation)
    return sorted(groups.values(), key=len, reverse=True)


def round_robin(failing: Sequence[Observation]) -> list[Observation]:
    """The same observations, alternating between the clusters."""
    rows = chain.from_iterable(zip_longest(*cluster(failing)))
    return [observation for observation in rows if observation is not None]


def _signature(observation: Observation) -> tuple[str, ...]:
    failed = [verdict for verdict in observation.attempt.verdicts if not verdict.passed]
    return tuple(f"{verdict.type}: {_VALUE.sub('*', verdict.reason)[:200]}" for verdict in failed)
