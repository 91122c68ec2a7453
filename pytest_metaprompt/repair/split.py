"""Which cases a repair may learn from, and which it must not see."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_metaprompt.suites import Split

SMALLEST_SPLIT = 20
"""With fewer cases than this nothing is held out, and the evidence is called in-sample."""


@dataclass(frozen=True, slots=True)
class Sides:
    """The keys on each side, each in the order of the cases."""

    train: tuple[str, ...]
    holdout: tuple[str, ...]


def split(
    passed: Mapping[str, bool],
    *,
    forced: Mapping[str, Split],
    share: float,
    seed: int,
    siblings: Sequence[Sequence[str]] = (),
) -> Sides:
    """Hold out a share of the cases, some that passed and some that failed, chosen by a seeded hash of their keys.

    Of `siblings`, cases that fail in the same way, one stays to be learned from, as far as that goes: nobody could find
    out what is wrong with held-out cases alone. The choice does not depend on the order of the cases. `forced`
    overrides it for a case.
    """
    held = {key for key, side in forced.items() if side == "holdout"}
    if len(passed) >= SMALLEST_SPLIT and share > 0:
        free = sorted((key for key in passed if key not in forced), key=lambda key: _hash(key, seed))
        failing = [key for key in free if not passed[key]]
        passing = [key for key in free if passed[key]]
        # One or two failing cases on the far side would prove little: a patch that fixes half of all misses both of
        # two in one of four repairs, but all of three only in one of eight.
        wanted = max(round(share * len(failing)), min(3, len(failing) // 3))
        held.update(_with_siblings_left(failing, siblings, wanted))
        held.update(passing[: max(0, round(share * len(free)) - wanted)])
    return Sides(
        train=tuple(key for key in passed if key not in held), holdout=tuple(key for key in passed if key in held)
    )


def _with_siblings_left(failing: Sequence[str], siblings: Sequence[Sequence[str]], wanted: int) -> list[str]:
    """The first so many of the failing cases, those before all others whose kind has another one left."""
    left = [{key for key in kind if key in failing} for kind in siblings]
    chosen: list[str] = []
    for key in failing:
        kind = next((one for one in left if key in one), set[str]())
        if len(kind) > 1 and len(chosen) < wanted:
            kind.remove(key)
            chosen.append(key)
    return [*chosen, *(key for key in failing if key not in chosen)][:wanted]


def _hash(key: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{key}".encode()).digest()
