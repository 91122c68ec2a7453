"""Routine files: parse them, render them for a case, replace one part and leave every other byte alone.

`.md` and `.txt` are one system prompt. `.prompty` is a strict subset of that format: frontmatter, then `system:`,
`user:` and `assistant:` alone at column 0. The structure is parsed before values are put in, so that a value can never
open a message.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

from pytest_metaprompt.errors import Place, RoutineError
from pytest_metaprompt.files import SourceText, read_text
from pytest_metaprompt.suites import Case, Message, RoutineRef
from pytest_metaprompt.templates import TemplateError, fill, placeholder_names, placeholders

Form = Literal["plain", "chat"]
PartKind = Literal["system", "user", "examples"]

_FRONTMATTER = re.compile(r"\A---[ \t]*\n(?P<yaml>.*?)^---[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_ROLE = re.compile(r"^(system|user|assistant):[ \t]*$", re.MULTILINE)
_CONTROL = re.compile(r"\{%.*?%\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Part:
    """One message of a routine and where its text stands: `text == routine.text[start:end]`, its header at `header`."""

    role: str
    text: str
    header: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Turn:
    """A worked example: what a user writes and the right answer."""

    user: str
    assistant: str


@dataclass(frozen=True, slots=True)
class Routine:
    """A routine as text and as messages. `source` is None for a routine written inside a suite."""

    name: str
    text: str
    form: Form
    parts: tuple[Part, ...]
    source: SourceText | None = None

    @property
    def last_user(self) -> int | None:
        """The index of the last user message, before which worked examples stand; None without one."""
        users = [index for index, part in enumerate(self.parts) if part.role == "user"]
        return users[-1] if users else None

    def kind(self, index: int) -> PartKind:
        """Whether a message is system text, the user's template, or part of a worked example."""
        if self.parts[index].role == "system":
            return "system"
        return "user" if index == self.last_user else "examples"

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The worked examples: pairs of user and assistant messages before the last user message."""
        before = self.parts[: self.last_user]
        return tuple(Turn(a.text, b.text) for a, b in pairwise(before) if (a.role, b.role) == ("user", "assistant"))

    @property
    def placeholders(self) -> Counter[str]:
        """How often each `{{name}}` stands in the messages."""
        return sum((placeholders(part.text) for part in self.parts), Counter[str]())


def open_routine(ref: RoutineRef, *, root: Path) -> Routine:
    """The routine that a suite names, called by its path from `root`.

    Raises:
        RoutineError: It cannot be parsed.
        FileAccessError: Its file cannot be read.
    """
    if ref.path is None:
        return parse_routine(ref.inline or "", name=f"{ref.where} (inline)", form="plain")
    source = read_text(ref.path)
    form: Form = "chat" if ref.path.suffix == ".prompty" else "plain"
    # Only the name: what `..` means to the disk may differ where folders are symlinks.
    name = Path(os.path.normpath(ref.path))
    name = name.relative_to(root) if name.is_relative_to(root) else name
    return replace(parse_routine(source.text, name=name.as_posix(), form=form), source=source)


def parse_routine(text: str, *, name: str, form: Form) -> Routine:
    """The routine in a text with `\\n` line ends.

    Raises:
        RoutineError: The text is empty, or not the form that it should be.
    """
    parts = _parse_chat(text, name=name) if form == "chat" else (_plain_part(text),)
    for part in parts:
        if not part.text:
            raise RoutineError(f"the {part.role} message is empty", where=_place(name, text, part.start))
    return Routine(name, text, form, parts)


def render(routine: Routine, case: Case) -> tuple[Message, ...]:
    """The messages that the target sees for a case: the routine's, then the case's input, then its messages.

    The input fills `{{input}}` where the routine has it, and is a user message of its own where it does not.

    Raises:
        RoutineError: A variable has no value, or nothing of the case would reach the model.
    """
    values = dict(case.vars)
    if case.input is not None:
        values.setdefault("input", case.input)
    try:
        messages = [Message(part.role, fill(part.text, values)) for part in routine.parts]
    except TemplateError as error:
        raise RoutineError(f"{routine.name}: {error.message}", where=case.where, hint=error.hint) from None
    names = {name for part in routine.parts for name in placeholder_names(part.text)}
    if case.input is not None and "input" not in names:
        messages.append(Message("user", case.input))
    elif not case.messages and not names:
        raise RoutineError(
            f"nothing of the case {case.id!r} reaches the model: {routine.name} has no {{{{name}}}} placeholder",
            where=case.where,
            hint="give the case an input or messages, or put a placeholder into the routine",
        )
    return (*messages, *case.messages)


def replace_part(routine: Routine, index: int, text: str) -> Routine:
    """The routine with the text of one message replaced and every other character as it was.

    Raises:
        RoutineError: The text is empty or would open another message.
    """
    part, new = routine.parts[index], text.strip()
    changed = routine.text[: part.start] + new + routine.text[part.end :]
    wanted = [new if at == index else other.text for at, other in enumerate(routine.parts)]
    return _reparsed(routine, changed, wanted)


def add_turns(routine: Routine, turns: Sequence[Turn]) -> Routine:
    """The routine with worked examples put before the last user message.

    Raises:
        RoutineError: The routine has no chat form, or a text would open another message.
    """
    at = routine.last_user
    if routine.form != "chat" or at is None:
        raise RoutineError(f"{routine.name} has no user message that examples could stand before")
    header = routine.parts[at].header
    gap = "\n" if at == 0 or routine.text[:header].endswith("\n\n") else ""
    block = "".join(f"user:\n{turn.user.strip()}\n{gap}assistant:\n{turn.assistant.strip()}\n{gap}" for turn in turns)
    texts = [part.text for part in routine.parts]
    wanted = texts[:at] + [text.strip() for turn in turns for text in (turn.user, turn.assistant)] + texts[at:]
    return _reparsed(routine, routine.text[:header] + block + routine.text[header:], wanted)


def drop_turns(routine: Routine) -> Routine:
    """The routine without its worked examples."""
    if not routine.turns:
        return routine
    first = next(index for index in range(len(routine.parts)) if routine.kind(index) == "examples")
    last_user = routine.parts[-1 if routine.last_user is None else routine.last_user]
    kept = [part.text for index, part in enumerate(routine.parts) if routine.kind(index) != "examples"]
    return _reparsed(routine, routine.text[: routine.parts[first].header] + routine.text[last_user.header :], kept)


def _reparsed(routine: Routine, text: str, wanted: Sequence[str]) -> Routine:
    changed = parse_routine(text, name=routine.name, form=routine.form)
    if [part.text for part in changed.parts] != list(wanted):
        raise RoutineError(f"the new text would open another message in {routine.name}")
    return replace(changed, source=routine.source)


def _plain_part(text: str) -> Part:
    body = text.rstrip("\n")
    return Part("system", body, 0, 0, len(body))


def _parse_chat(text: str, *, name: str) -> tuple[Part, ...]:
    front = _FRONTMATTER.match(text)
    if front is None:
        raise RoutineError(
            "a .prompty file begins with frontmatter", where=Place(name, 1), hint="put --- before and after it"
        )
    _check_frontmatter(front["yaml"], name=name)
    control = _CONTROL.search(text, front.end())
    if control:
        raise RoutineError(
            f"{control[0]} is not supported",
            where=_place(name, text, control.start()),
            hint="only plain {{name}} placeholders are filled in",
        )
    headers = list(_ROLE.finditer(text, front.end()))
    lead = text[front.end() : headers[0].start() if headers else len(text)]
    if not headers or lead.strip():
        raise RoutineError(
            "text before the first message" if headers else "no message",
            where=_place(name, text, front.end() + len(lead) - len(lead.lstrip())),
            hint="system:, user: or assistant: stands alone on a line before each message",
        )
    ends = [header.start() for header in headers[1:]] + [len(text)]
    return tuple(_chat_part(text, header, end) for header, end in zip(headers, ends, strict=True))


def _chat_part(text: str, header: re.Match[str], end: int) -> Part:
    body = text[header.end() : end]
    start = header.end() + len(body) - len(body.lstrip()) if body.strip() else min(header.end() + 1, end)
    return Part(header[1], body.strip(), header.start(), start, start + len(body.strip()))


def _check_frontmatter(front: str, *, name: str) -> None:
    import yaml

    try:
        value = yaml.safe_load(front)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 2 if mark is not None else 1
        raise RoutineError(
            f"the frontmatter is not YAML: {getattr(error, 'problem', error)}", where=Place(name, line)
        ) from None
    if value is not None and not isinstance(value, dict):
        raise RoutineError("the frontmatter must be a mapping", where=Place(name, 2))


def _place(name: str, text: str, offset: int) -> Place:
    return Place(name, text.count("\n", 0, offset) + 1)
