"""The inside of a quoted text as units of source, so that a changed text keeps the spelling of what did not change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile


@dataclass(frozen=True, slots=True)
class Unit:
    """A stretch of source, such as `\\\\n` or one letter, and the text that it stands for."""

    source: str
    text: str


def respell(units: Sequence[Unit], new: str, spell: Callable[[str], str]) -> str:
    """The source for a new text: units at its beginning and end that still fit are kept, the middle is spelled anew."""
    old = "".join(unit.text for unit in units)
    first, kept = 0, alike(old, new)
    length = 0
    while first < len(units) and length + len(units[first].text) <= kept:
        length += len(units[first].text)
        first += 1
    last, room = len(units), alike(old[length:][::-1], new[length:][::-1])
    tail = 0
    while last > first and tail + len(units[last - 1].text) <= room:
        last -= 1
        tail += len(units[last].text)
    head = "".join(unit.source for unit in units[:first])
    end = "".join(unit.source for unit in units[last:])
    return head + spell(new[length : len(new) - tail]) + end


def alike(one: str, other: str) -> int:
    """How many characters the two have in common at their beginning."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
