"""Small changes of the instructions that need no model: the rule on the form of the answer moved to the end or said
again there, a sentence left out or shortened."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from pytest_metaprompt.errors import RoutineError
from pytest_metaprompt.repair.clusters import cluster
from pytest_metaprompt.repair.differences import minimal_difference
from pytest_metaprompt.repair.sentences import Sentence, instruction_parts, sentences, without
from pytest_metaprompt.results import Observation, Proposal, RepairState
from pytest_metaprompt.routines import Routine, parse_routine, replace_part

LEAST_LEFT = 0.6
"""An edit that leaves less of a message than this is none."""

MOST = 3
"""So many edits are suggested in a round. Each costs a trial of every failing case."""

_FORMAT_RULE = re.compile(
    r"\b(?:only|nothing (?:else|but|more)|no other|exactly|just the|format|json|csv|xml|yaml"
    r"|(?:answer|reply|respond|output|return|print) (?:with|as|in)|one word|single (?:word|line|number))\b",
    re.IGNORECASE,
)
_COMMAND = re.compile(
    r"\b(?:must|never|always|do not|don't|required?|shall|forbidden|except|unless|if|when|before|after|only)\b",
    re.IGNORECASE,
)
_ASIDE = re.compile(r"\s*\([^()]{3,}\)|,? (?:for example|such as|e\.g\.|because|so that|in order to)\b[^.!?;\n]*")
_FORMAT_TROUBLE = re.compile(r"json|whitespace|upper and lower|more around it", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Edits:
    """Suggests edits of the instructions: of the form of answers where that is what fails, and in later rounds what
    could be left out. A sentence that commands, forbids or makes a condition is never taken out."""

    async def propose(self, state: RepairState) -> Sequence[Proposal]:
        """The edits of this round."""
        routine = parse_routine(state.text, name=state.routine, form=state.form)
        texts: dict[str, Proposal] = {}
        for at in instruction_parts(routine, state.editable):
            for hypothesis, changed in _edits(routine.parts[at].text, state):
                text = _replaced(routine, at, changed)
                if text is not None and len(changed) >= LEAST_LEFT * len(routine.parts[at].text):
                    texts.setdefault(text, Proposal("edits", hypothesis, text))
        return list(texts.values())[:MOST]


def _edits(text: str, state: RepairState) -> Iterator[tuple[str, str]]:
    """Why, and the changed text. Rounds go on where the one before stopped."""
    if state.round == 1:
        if any(_is_format_trouble(one) for one in state.failing):
            yield from _format_edits(text)
    else:
        start = (state.round - 2) * MOST
        yield from islice(_omissions(text), start, start + MOST)


def _is_format_trouble(one: Observation) -> bool:
    """Whether the answer may be right, and only its form wrong."""
    reply, answer = one.attempt.reply, one.subject.case.answer
    if reply is not None and answer and "output holds" in (minimal_difference(answer, reply.text) or ""):
        return True
    return any(_FORMAT_TROUBLE.search(group.cause) for group in cluster([one]))


def _format_edits(text: str) -> Iterator[tuple[str, str]]:
    rules = [one for one in sentences(text) if not one.heading and _FORMAT_RULE.search(one.text)]
    for rule in rules:
        if text[rule.end :].strip():
            moved = _appended(without(text, rule), rule.text)
            yield f"the rule on the form of the answer is read last: {rule.text!r} moves to the end", moved
    for rule in rules:
        yield f"the rule on the form of the answer is overlooked: {rule.text!r} is repeated", _appended(text, rule.text)


def _omissions(text: str) -> Iterator[tuple[str, str]]:
    """Every sentence that could be left out or shortened, alternating."""
    for one in sentences(text):
        if one.heading:
            continue
        if not _COMMAND.search(one.text) and not _FORMAT_RULE.search(one.text):
            yield f"{one.text!r} distracts and is left out", without(text, one)
        shorter = _ASIDE.sub("", one.text)
        if shorter != one.text and not _COMMAND.search(_lost(one.text, shorter)):
            yield f"{one.text!r} is shortened to {shorter!r}", _with_text(text, one, shorter)


def _lost(old: str, new: str) -> str:
    return " ".join(word for word in old.split() if word not in new.split())


def _with_text(text: str, one: Sentence, new: str) -> str:
    return text[: one.start] + text[one.start : one.end].replace(one.text, new) + text[one.end :]


def _appended(text: str, sentence: str) -> str:
    return f"{text.rstrip()}\n\n{sentence}"


def _replaced(routine: Routine, at: int, text: str) -> str | None:
    try:
        return replace_part(routine, at, text).text
    except RoutineError:
        return None
