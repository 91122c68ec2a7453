"""Which cases a routine shows with their answers: passing them proves nothing about any other."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_metaprompt.results import Subject
from pytest_metaprompt.routines import Routine, Turn
from pytest_metaprompt.runner import messages_for


def shown_turn(routine: Routine, subject: Subject) -> Turn | None:
    """The case as a worked example of the routine; None where it cannot be one."""
    at = routine.last_user
    if at is None or subject.case.answer is None:
        return None
    messages = messages_for(subject.suite, subject.case, routine)
    # A prefix around a chat makes one text of it.
    return None if at >= len(messages) else Turn(messages[at].content.strip(), subject.case.answer.strip())


def shown_cases(routine: Routine, subjects: Sequence[Subject]) -> frozenset[str]:
    """The keys of the cases that the routine shows as worked examples."""
    turns = set(routine.turns)
    return frozenset(subject.key for subject in subjects if turns and shown_turn(routine, subject) in turns)


def spoken(routine: Routine) -> str:
    """Every message. Not the file's text: a prompt file may hold the cases as well."""
    return "\n\n".join(part.text for part in routine.parts)


def instructions(routine: Routine) -> str:
    """Everything but the worked examples."""
    return "\n\n".join(part.text for index, part in enumerate(routine.parts) if routine.kind(index) != "examples")
