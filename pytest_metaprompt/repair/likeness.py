"""How alike two texts are, by the words they share."""

from __future__ import annotations

import re

from pytest_metaprompt.suites import Case

_WORD = re.compile(r"\w+")


def words_of(text: str) -> frozenset[str]:
    """The different words of a text, without regard to case."""
    return frozenset(_WORD.findall(text.casefold()))


def words_of_case(case: Case) -> frozenset[str]:
    """The different words of what a case asks."""
    return words_of(" ".join([case.input or "", *map(str, case.vars.values()), *(m.content for m in case.messages)]))


def likeness(one: frozenset[str], other: frozenset[str]) -> float:
    """The share of words in common (Jaccard's index), in 0..1."""
    return len(one & other) / max(1, len(one | other))
