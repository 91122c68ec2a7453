"""Puts two changes of the same text together, where they do not touch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise

_PIECE = re.compile(r"\s+|\S+")
_KEPT = 0.6
"""A text that keeps less of the other than this is a new text and no change of it."""


@dataclass(frozen=True, slots=True)
class _Hunk:
    """The pieces `start` to `end` of the old text, and what takes their place."""

    start: int
    end: int
    new: tuple[str, ...]


def merge_texts(base: str, one: str, other: str) -> str | None:
    """`base` with both changes, where they change different places; None if they do not go together.

    What both put in at the same place stands there one after the other.
    """
    pieces = _PIECE.findall(base)
    first, second = _hunks(pieces, one), _hunks(pieces, other)
    if first is None or second is None:
        return None
    hunks = sorted(dict.fromkeys((*first, *second)), key=lambda hunk: (hunk.start, hunk.end))
    if any(before.end > after.start for before, after in pairwise(hunks)):
        return None
    for hunk in reversed(hunks):
        pieces[hunk.start : hunk.end] = hunk.new
    return "".join(pieces)


def _hunks(pieces: Sequence[str], changed: str) -> list[_Hunk] | None:
    """What was changed; None where nearly everything was."""
    new = _PIECE.findall(changed)
    matcher = SequenceMatcher(a=pieces, b=new, autojunk=False)
    kept = sum(block.size for block in matcher.get_matching_blocks())
    if kept < _KEPT * len(pieces):
        return None
    return [_Hunk(i1, i2, tuple(new[j1:j2])) for tag, i1, i2, j1, j2 in matcher.get_opcodes() if tag != "equal"]
