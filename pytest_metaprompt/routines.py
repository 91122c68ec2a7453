"""Routines: open them where they live, parse them, render them for a case, replace one part and leave every other
byte alone.

`.md` and `.txt` are one system prompt; the other forms are lists of messages. The structure is parsed before values are
put in, so that a value can never open a message.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

from pytest_metaprompt.errors import RoutineError
from pytest_metaprompt.forms.message_lists import insert_messages, parse_messages, replace_message
from pytest_metaprompt.forms.parts import Part, Said, place_in
from pytest_metaprompt.forms.prompty import insert_prompty, parse_prompty
from pytest_metaprompt.homes import Home, open_home
from pytest_metaprompt.suites import Case, Form, Message, RoutineRef
from pytest_metaprompt.templates import TemplateError, fill, placeholder_names, placeholders, tags

PartKind = Literal["system", "user", "examples"]

_ENDINGS: dict[str, Form] = {
    ".prompty": "chat",
    ".yaml": "messages-yaml",
    ".yml": "messages-yaml",
    ".json": "messages-json",
}


@dataclass(frozen=True, slots=True)
class Turn:
    """A worked example: what a user writes and the right answer."""

    user: str
    assistant: str


@dataclass(frozen=True, slots=True)
class Routine:
    """A routine as text and as messages. `home` is None for a text that stands in no file."""

    name: str
    text: str
    form: Form
    parts: tuple[Part, ...]
    home: Home | None = None

    @property
    def last_user(self) -> int | None:
        """The index of the last user message, before which worked examples stand; None without one."""
        users = [index for index, part in enumerate(self.parts) if part.role == "user"]
        return users[-1] if users else None

    def kind(self, index: int) -> PartKind:
        """Whether a message is system text, the user's template, or part of a worked example."""
        if self.parts[index].role in ("system", "developer"):
            return "system"
        return "user" if index == self.last_user else "examples"

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The worked examples: pairs of user and assistant messages before the last user message."""
        before = self.parts[: self.last_user]
        return tuple(
            Turn(a.text.strip(), b.text.strip())
            for a, b in pairwise(before)
            if (a.role, b.role) == ("user", "assistant")
        )

    @property
    def editable(self) -> frozenset[str]:
        """What a repair may change where nobody says: system texts and examples, and the user's template where there is
        no system text."""
        own = "system" if any(self.kind(index) == "system" for index in range(len(self.parts))) else "user"
        return frozenset({own, "examples"})

    @property
    def takes_examples(self) -> bool:
        """Whether worked examples can be put before its last user message."""
        return self.form not in ("plain", "user") and self.last_user is not None

    @property
    def placeholders(self) -> Counter[str]:
        """How often each `{{name}}` stands in the messages."""
        return sum((placeholders(part.text) for part in self.parts), Counter[str]())

    @property
    def tags(self) -> Counter[str]:
        """How often each piece of template code other than a plain `{{name}}` stands in the messages."""
        return sum((tags(part.text) for part in self.parts), Counter[str]())

    @property
    def frame(self) -> str:
        """All of the text that is no message's text and no worked example, with a mark for each message that is left;
        empty for a plain text, which has nothing around it."""
        if self.form in ("plain", "user"):
            return ""
        pieces, end = [], 0
        for index, part in enumerate(self.parts):
            if self.kind(index) == "examples" and index + 1 < len(self.parts):
                pieces.append(self.text[end : part.header])
                end = self.parts[index + 1].header
            else:
                pieces.append(self.text[end : part.start] + "\0")
                end = part.end
        return "".join(pieces) + self.text[end:]


def open_routine(ref: RoutineRef, *, root: Path) -> Routine:
    """The routine that a suite names, called by its path from `root`.

    Raises:
        RoutineError: It cannot be parsed.
        FileAccessError: Its file cannot be read.
    """
    if ref.path is None:
        return parse_routine(ref.inline or "", name=f"{ref.where} (inline)", form=ref.form or "plain")
    home = open_home(ref.path, ref.at, root=root)
    form = ref.form or ("plain" if ref.at is not None else _ENDINGS.get(ref.path.suffix, "plain"))
    return replace(parse_routine(home.text, name=home.name, form=form), home=home)


def parse_routine(text: str, *, name: str, form: Form) -> Routine:
    """The routine in a text with `\\n` line ends.

    Raises:
        RoutineError: The text is empty, or not the form that it should be.
    """
    parts = _parse_parts(text, name=name, form=form)
    for part in parts:
        if not part.text:
            raise RoutineError(f"the {part.role} message is empty", where=place_in(name, text, part.start))
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
        messages = [Message(part.role, fill(part.text, values), part.extra) for part in routine.parts]
    except TemplateError as error:
        raise RoutineError(f"{routine.name}: {error.message}", where=case.where, hint=error.hint) from None
    names = {name for part in routine.parts for name in placeholder_names(part.text)}
    if case.input is not None and "input" not in names:
        messages.append(Message("user", case.input))
    elif not case.messages and not names and case.simulation is None:
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
    part = routine.parts[index]
    # White space around it belongs to how the text is written down.
    body = part.text.strip()
    new = part.text.replace(body, text.strip()) if body else text.strip()
    if routine.form in ("messages-json", "messages-yaml"):
        changed = replace_message(routine.text, index, new, form=routine.form)
    else:
        changed = routine.text[: part.start] + new + routine.text[part.end :]
    return _reparsed(routine, changed, [new if at == index else other.text for at, other in enumerate(routine.parts)])


def add_turns(routine: Routine, turns: Sequence[Turn]) -> Routine:
    """The routine with worked examples put before the last user message.

    Raises:
        RoutineError: The routine has no chat form, or a text would open another message.
    """
    at = routine.last_user
    if not routine.takes_examples or at is None:
        raise RoutineError(f"{routine.name} has no user message that examples could stand before")
    said: list[Said] = []
    for turn in turns:
        said += [("user", turn.user.strip()), ("assistant", turn.assistant.strip())]
    texts = [part.text for part in routine.parts]
    changed = (
        insert_prompty(routine.text, routine.parts, at, said)
        if routine.form == "chat"
        else insert_messages(routine.text, routine.parts, at, said, form=routine.form)
    )
    return _reparsed(routine, changed, texts[:at] + [words for _, words in said] + texts[at:])


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
    return replace(changed, home=routine.home)


def _parse_parts(text: str, *, name: str, form: Form) -> tuple[Part, ...]:
    if form == "chat":
        return parse_prompty(text, name=name)
    if form in ("messages-json", "messages-yaml"):
        return parse_messages(text, name=name, form=form)
    body = text.rstrip("\n")
    return (Part("user" if form == "user" else "system", body, 0, 0, len(body)),)
