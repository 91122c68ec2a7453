"""Puts together what helps or nearly worked: two changes that fix different cases, or one that is brought over to the
routine as it is now. Needs no model, and pays for nothing that was tried before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from pytest_metaprompt.repair.job import MERGE
from pytest_metaprompt.repair.merging import merge_texts
from pytest_metaprompt.results import NearMiss, Proposal, RepairState

MOST = 3
"""So many merged proposals are made in a round: those that could fix the most."""


@dataclass(frozen=True, slots=True)
class Merge:
    """Suggests merged near misses, if there are any that complement each other."""

    async def propose(self, state: RepairState) -> Sequence[Proposal]:
        """The ones that could fix the most of what fails now."""
        failing = {one.subject.key for one in state.failing}
        found = [(promise, proposal) for promise, proposal in _merged(state, failing) if promise > 0]
        ranked = sorted(found, key=lambda pair: pair[0], reverse=True)
        return list({proposal.text: proposal for _, proposal in ranked}.values())[:MOST]


def join(one: Proposal, other: Proposal, *, base: str) -> Proposal | None:
    """Two changes of the same text as one; None if they do not go together."""
    text = merge_texts(base, one.text, other.text)
    if text is None:
        return None
    return Proposal(
        MERGE,
        f"{one.hypothesis} + {other.hypothesis}",
        text,
        examples_from=one.examples_from | other.examples_from,
    )


def _merged(state: RepairState, failing: set[str]) -> Iterator[tuple[int, Proposal]]:
    """Each merged proposal with how many more failing cases than broken ones its parts had."""
    for miss in state.near_misses:
        if miss.base != state.text:
            text = merge_texts(miss.base, state.text, miss.text)
            if text is not None:
                yield _promise([miss], failing), _proposal([miss], text)
    for pair in combinations(state.near_misses, 2):
        text = _together(*pair, state.text) if _complement(*pair, failing) else None
        if text is not None:
            yield _promise(pair, failing), _proposal(pair, text)


def _together(one: NearMiss, other: NearMiss, current: str) -> str | None:
    if one.base != other.base:
        return None
    merged = merge_texts(one.base, one.text, other.text)
    return merged if merged is None or one.base == current else merge_texts(one.base, current, merged)


def _complement(one: NearMiss, other: NearMiss, failing: set[str]) -> bool:
    """Whether each fixes something that fails now and that the other does not."""
    return bool((one.fixed - other.fixed) & failing) and bool((other.fixed - one.fixed) & failing)


def _promise(parts: Sequence[NearMiss], failing: set[str]) -> int:
    fixed = frozenset[str]().union(*(part.fixed for part in parts)) & failing
    broken = frozenset[str]().union(*(part.broken for part in parts))
    return len(fixed) - len(broken)


def _proposal(parts: Sequence[NearMiss], text: str) -> Proposal:
    shown = frozenset[str]().union(*(part.examples_from for part in parts))
    return Proposal(MERGE, " + ".join(part.hypothesis for part in parts), text, examples_from=shown)
