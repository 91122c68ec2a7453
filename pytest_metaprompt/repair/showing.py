"""Which cases a routine gives away: passing them proves nothing about any other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from pytest_metaprompt.results import Subject
from pytest_metaprompt.routines import Routine, Turn, render

LEAKS = 2
"""So many answers of single cases, found in the new text and not in the old, are no accident."""


def shown_turn(routine: Routine, subject: Subject) -> Turn | None:
    """The case as a worked example of the routine; None where it cannot be one."""
    if routine.last_user is None or subject.case.answer is None:
        return None
    return Turn(render(routine, subject.case)[routine.last_user].content.strip(), subject.case.answer.strip())


def shown_cases(old: Routine, new: Routine, subjects: Sequence[Subject]) -> frozenset[str]:
    """The keys of the cases that the new routine shows as examples, or whose own answers were written into it."""
    turns = set(new.turns)
    examples = {subject.key for subject in subjects if turns and shown_turn(new, subject) in turns}
    leaked = _leaked_answers(old, new, subjects)
    return frozenset(examples | (leaked if len(leaked) >= LEAKS else set()))


def instructions(routine: Routine) -> str:
    """Everything but the worked examples."""
    return "\n\n".join(part.text for index, part in enumerate(routine.parts) if routine.kind(index) != "examples")


def _leaked_answers(old: Routine, new: Routine, subjects: Sequence[Subject]) -> set[str]:
    """The cases whose answer no other case shares and that stands in the new instructions, but not in the old."""
    before, after = instructions(old).casefold(), instructions(new).casefold()
    if before == after:
        return set()
    answers = {subject.key: subject.case.answer.strip().casefold() for subject in subjects if subject.case.answer}
    counts = Counter(answers.values())
    return {
        key
        for key, answer in answers.items()
        if counts[answer] == 1 and _holds(after, answer) and not _holds(before, answer)
    }


def _holds(text: str, answer: str) -> bool:
    return bool(answer) and re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", text) is not None
