"""The sentences of a text and where they stand, so that one can be taken out with every other character as it was."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from pytest_metaprompt.routines import Routine
from pytest_metaprompt.templates import placeholders, tags

_LINE = re.compile(r"[^\n]*\n?")
_END = re.compile(r"(?<=[.!?])[\"')\]]*[ \t]+(?=[\"'(\[A-Z0-9*_`])")
_MARK = re.compile(r"\s*(?:[-*+]|\d+[.)])\s+")
_FENCE = re.compile(r"\s*(?:```|~~~)")
_HEADING = re.compile(r"\s*#{1,6}\s")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence: its text, and the stretch of the message that goes with it when it is removed."""

    text: str
    start: int
    end: int
    heading: bool = False


def sentences(text: str) -> list[Sentence]:
    """The headings and sentences of a text, in order. Code between fences, and what holds a placeholder, is none."""
    found: list[Sentence] = []
    fenced, at = False, 0
    for line in _LINE.findall(text):
        if _FENCE.match(line):
            fenced = not fenced
        elif not fenced and line.strip():
            found.extend(_in_line(line, at))
        at += len(line)
    return [one for one in found if not placeholders(one.text) and not tags(one.text)]


def without(text: str, sentence: Sentence) -> str:
    """The text without a sentence."""
    return text[: sentence.start] + text[sentence.end :]


def instruction_parts(routine: Routine, editable: frozenset[str] = frozenset({"system", "user"})) -> list[int]:
    """The messages that hold instructions: everything but worked examples."""
    return [at for at in range(len(routine.parts)) if routine.kind(at) in editable - {"examples"}]


def _in_line(line: str, at: int) -> list[Sentence]:
    if _HEADING.match(line):
        return [Sentence(line.strip(), at, at + len(line), heading=True)]
    mark = _MARK.match(line)
    start = mark.end() if mark else len(line) - len(line.lstrip())
    body_end = len(line.rstrip())
    cuts = [start, *(found.end() for found in _END.finditer(line, start, body_end)), body_end]
    if len(cuts) == 2:
        # The only sentence of its line takes the line, and a list's mark, along.
        return [Sentence(line[start:body_end], at, at + len(line))]
    pieces = pairwise(cuts)
    return [Sentence(line[begin:end].strip(), at + begin, at + end) for begin, end in pieces if line[begin:end].strip()]
