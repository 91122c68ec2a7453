"""What a text has taken from cases: inputs and answers that must not be learned by heart."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import TypeVar

from pytest_metaprompt.results import Subject
from pytest_metaprompt.routines import Turn
from pytest_metaprompt.suites import Json

COPIED_WORDS = 8
"""So many words in a row, found in a case and not in the old routine, are a copy of the case."""

COPIED_CHARACTERS = 12
"""An expected value at least so long, found in the new routine and not in the old, is a leaked answer."""

_NO_ANSWERS = frozenset({"python", "regex", "is-json", "llm-rubric", "g-eval", "model-graded-closedqa"})
"""Assertions whose value says how an answer must be, and holds none. A routine may say that, too."""


_WORD = re.compile(r"\w+")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]+")
"""Japanese and Chinese, which put no spaces between words. Two characters count as one."""

Items = TypeVar("Items", list[str], str)


def copied(written: str, *, before: str, subjects: Iterable[Subject], tools: Collection[str]) -> str | None:
    """What of the cases stands in a text and did not stand there before, in words; None if there is nothing."""
    old, new = _normal(before), _normal(written)
    old_runs, new_runs = _runs(old), _runs(new)
    for subject in subjects:
        for value in answers_of(subject):
            answer = _normal(value)
            if value in tools:
                continue  # A rule may name the tool that is to be called; it is no secret of the case.
            if len(answer) >= COPIED_CHARACTERS and answer in new and answer not in old:
                return f"copies the expected answer of {subject.key!r}"
        for text in (*inputs_of(subject), *answers_of(subject)):
            if (_runs(_normal(text)) & new_runs) - old_runs:
                return f"copies the text of {subject.key!r}"
    return None


def copied_input(turns: Iterable[Turn], subjects: Iterable[Subject]) -> str | None:
    """The same for worked examples whose user says just what a case says."""
    inputs = {_normal(text): subject.key for subject in subjects for text in inputs_of(subject)}
    for turn in turns:
        if _normal(turn.user) in inputs:
            return f"copies the input of {inputs[_normal(turn.user)]!r} into an example"
    return None


def inputs_of(subject: Subject) -> list[str]:
    """The texts of a case that the target is shown."""
    case = subject.case
    given = [case.input] if case.input is not None else []
    if case.simulation is not None:
        given += [*case.simulation.turns, case.simulation.persona or ""]
    return given + list(_strings(list(case.vars.values()))) + [message.content for message in case.messages]


def answers_of(subject: Subject) -> list[str]:
    """The texts of a case that a right reply must equal or hold."""
    checks = [part for check in subject.case.assertions for part in check.parts]
    values = [check.value for check in checks if not check.negated and check.kind not in _NO_ANSWERS]
    return [*_strings(values), *([subject.case.answer] if subject.case.answer else [])]


def _strings(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _strings(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)


def _normal(text: str) -> str:
    return " ".join(text.casefold().split())


def _runs(text: str) -> set[tuple[str, ...]]:
    found = {tuple(words) for words in _windows(_WORD.findall(text), COPIED_WORDS)}
    return found | {(run,) for one in _UNSPACED.findall(text) for run in _windows(one, 2 * COPIED_WORDS)}


def _windows(items: Items, size: int) -> list[Items]:
    """Every stretch of so many items."""
    return [items[start : start + size] for start in range(len(items) - size + 1)]
