"""One message of a routine, and where its text stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_metaprompt.errors import Place
from pytest_metaprompt.suites import Json

Said = tuple[str, str]
"""A message to be put in: its role and its text."""


@dataclass(frozen=True, slots=True)
class Part:
    """One message. It begins at `header`, and `routine.text[start:end]` is its text as it is written there: the same as
    `text` in plain and `.prompty` routines, quoted or indented in lists of messages. `extra` is what else it has."""

    role: str
    text: str
    header: int
    start: int
    end: int
    extra: Mapping[str, Json] = field(default_factory=dict)


def place_in(name: str, text: str, offset: int) -> Place:
    """The line of an offset."""
    return Place(name, text.count("\n", 0, offset) + 1)
