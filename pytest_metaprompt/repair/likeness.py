"""How alike two texts are, by the words they share."""

from __future__ import annotations

import re

_WORD = re.compile(r"\w+")


def words_of(text: str) -> frozenset[str]:
    """The different words of a text, without regard to case."""
    return frozenset(_WORD.findall(text.casefold()))


def likeness(one: frozenset[str], other: frozenset[str]) -> float:
    """The share of words in common (Jaccard's index), in 0..1."""
    return len(one & other) / max(1, len(one | other))
