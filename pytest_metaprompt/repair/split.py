"""Which cases a repair may learn from, and which it must not see."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from pytest_metaprompt.suites import Split

SMALLEST_SPLIT = 20
"""With fewer cases than this nothing is held out, and the evidence is called in-sample."""


@dataclass(frozen=True, slots=True)
class Sides:
    """The keys on each side, each in the order of the cases."""

    train: tuple[str, ...]
    holdout: tuple[str, ...]


def split(passed: Mapping[str, bool], *, forced: Mapping[str, Split], share: float, seed: int) -> Sides:
    """Hold out a share of the cases that passed and of those that did not, chosen by a seeded hash of their keys.

    The choice for a case does not depend on the order of the cases. `forced` overrides it for a case.
    """
    held = {key for key, side in forced.items() if side == "holdout"}
    if len(passed) >= SMALLEST_SPLIT:
        for outcome in (True, False):
            free = [key for key, value in passed.items() if value is outcome and key not in forced]
            free.sort(key=lambda key: hashlib.sha256(f"{seed}:{key}".encode()).digest())
            held.update(free[: round(share * len(free))])
    return Sides(
        train=tuple(key for key in passed if key not in held), holdout=tuple(key for key in passed if key in held)
    )
