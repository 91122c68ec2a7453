"""The meta model's answer: read it, and turn each of its proposals into a whole new routine text.

Format (fixed; recorded answers and other meta servers rely on it): one JSON object with `verdict`, `reason` and
`proposals`, where a proposal has a `hypothesis` and any of `edits`, `messages` and `examples`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from pytest_metaprompt.errors import EnvelopeError, RoutineError
from pytest_metaprompt.repair.visible import visible
from pytest_metaprompt.results import Reply
from pytest_metaprompt.routines import Routine, Turn, add_turns, replace_part
from pytest_metaprompt.suites import Json

Verb = Literal["repair", "no_change", "test_is_wrong"]
Op = Literal["replace", "insert_before", "insert_after", "delete", "append"]
Value = TypeVar("Value")

OPS: tuple[Op, ...] = ("replace", "insert_before", "insert_after", "delete", "append")
VERDICTS: tuple[Verb, ...] = ("repair", "no_change", "test_is_wrong")


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of one message; `anchor` is text that stands in it exactly once (not needed by `append`)."""

    message: int
    op: Op
    anchor: str
    text: str


@dataclass(frozen=True, slots=True)
class Patch:
    """One proposal as the meta model wrote it."""

    hypothesis: str
    predicts: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = ()
    messages: tuple[tuple[int, str], ...] = ()
    examples: tuple[Turn, ...] = ()


@dataclass(frozen=True, slots=True)
class Envelope:
    """The whole answer."""

    verdict: Verb
    reason: str
    patches: tuple[Patch, ...]


def whole_text(reply: Reply) -> str:
    """The text of a meta model's reply.

    Raises:
        EnvelopeError: It was cut off, so that what it says may not be what was meant.
    """
    if reply.finish_reason == "length":
        raise EnvelopeError("the answer was cut off at its length limit")
    return reply.text


def read_envelope(reply: str) -> Envelope:
    """The envelope in a reply: its first complete JSON object, fenced or not.

    Raises:
        EnvelopeError: There is none, or it is not the form; the message says what, for the meta model to put right.
    """
    value = first_object(reply)
    verdict = value.get("verdict")
    if verdict not in VERDICTS:
        raise EnvelopeError(f"verdict must be one of {', '.join(VERDICTS)}, is {str(verdict)[:80]!r}")
    patches = tuple(_read_patch(item, f"proposals[{at}]") for at, item in enumerate(_list(value, "proposals", "")))
    if verdict == "repair" and not patches:
        raise EnvelopeError("verdict is repair, but proposals is empty")
    return Envelope(verdict, _line(value, "reason", ""), patches)


def apply_patch(routine: Routine, patch: Patch) -> Routine:
    """The routine with the patch applied: whole texts, then edits, then examples.

    Raises:
        EnvelopeError: A message is not there, an anchor does not stand exactly once, or a text would open a message.
    """
    try:
        for index, text in patch.messages:
            routine = replace_part(routine, _index(routine, index), text)
        for edit in patch.edits:
            old = routine.parts[_index(routine, edit.message)].text
            routine = replace_part(routine, edit.message, _edited(old, edit))
        return add_turns(routine, patch.examples) if patch.examples else routine
    except RoutineError as error:
        raise EnvelopeError(str(error)) from None


def _index(routine: Routine, index: int) -> int:
    if not 0 <= index < len(routine.parts):
        raise EnvelopeError(f"there is no message {index}; the routine has messages 0 to {len(routine.parts) - 1}")
    return index


def _edited(old: str, edit: Edit) -> str:
    if edit.op == "append":
        return old + _joint(old, edit.text) + edit.text
    count = old.count(edit.anchor) if edit.anchor else 0
    if count != 1:
        raise EnvelopeError(f"the anchor {edit.anchor!r} stands {count} times in message {edit.message}, not once")
    changes: dict[Op, Callable[[], str]] = {
        "replace": lambda: edit.text,
        "delete": lambda: "",
        "insert_before": lambda: edit.text + _joint(edit.text, edit.anchor) + edit.anchor,
        "insert_after": lambda: edit.anchor + _joint(edit.anchor, edit.text) + edit.text,
    }
    before, after = old.split(edit.anchor)
    return before + changes[edit.op]() + after


def _joint(left: str, right: str) -> str:
    """What keeps two pieces of text from running into one word: nothing where a blank or a line end already does."""
    return "" if not left or not right or left[-1].isspace() or right[0].isspace() else "\n"


def first_object(reply: str) -> Mapping[str, Json]:
    """The first complete JSON object of a reply, fenced or not.

    Raises:
        EnvelopeError: There is none.
    """
    decoder = json.JSONDecoder()
    for start in _positions(reply, "{"):
        try:
            value, _ = decoder.raw_decode(reply, start)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            return value
    raise EnvelopeError("the answer holds no complete JSON object")


def _positions(text: str, character: str) -> Iterator[int]:
    start = text.find(character)
    while start != -1:
        yield start
        start = text.find(character, start + 1)


def _read_patch(value: Json, at: str) -> Patch:
    item = _typed(value, dict, at)
    edits = tuple(_read_edit(_typed(one, dict, f"{at}.edits"), f"{at}.edits") for one in _list(item, "edits", at))
    messages = [_typed(one, dict, f"{at}.messages") for one in _list(item, "messages", at)]
    examples = [_typed(one, dict, f"{at}.examples") for one in _list(item, "examples", at)]
    if not edits and not messages and not examples:
        raise EnvelopeError(f"{at} has none of edits, messages and examples")
    return Patch(
        hypothesis=_line(item, "hypothesis", at),
        predicts=tuple(_typed(one, str, f"{at}.predicts") for one in _list(item, "predicts", at)),
        edits=edits,
        messages=tuple((_number(one, "message", at), _text(one, "text", at)) for one in messages),
        examples=tuple(Turn(_text(one, "user", at), _text(one, "assistant", at)) for one in examples),
    )


def _read_edit(item: Mapping[str, Json], at: str) -> Edit:
    op = next((known for known in OPS if known == item.get("op")), None)
    if op is None:
        raise EnvelopeError(f"{at}: op must be one of {', '.join(OPS)}, is {item.get('op')!r}")
    anchor = _text(item, "anchor", at, default="" if op == "append" else None)
    return Edit(
        _number(item, "message", at), op, anchor, _text(item, "text", at, default="" if op == "delete" else None)
    )


def _list(item: Mapping[str, Json], key: str, at: str) -> list[Json]:
    value = item.get(key)
    return [] if value is None else _typed(value, list, f"{at}.{key}".lstrip("."))


def _text(item: Mapping[str, Json], key: str, at: str, *, default: str | None = None) -> str:
    value = item.get(key)
    return default if value is None and default is not None else _typed(value, str, f"{at}.{key}".lstrip("."))


def _line(item: Mapping[str, Json], key: str, at: str) -> str:
    """A text that people read, on one line and without anything that a terminal would obey."""
    return visible(" ".join(_text(item, key, at, default="").split()))


def _number(item: Mapping[str, Json], key: str, at: str) -> int:
    return _typed(item.get(key), int, f"{at}.{key}")


def _typed(value: object, kind: type[Value], at: str) -> Value:
    if not isinstance(value, kind) or isinstance(value, bool):
        names = {dict: "an object", list: "a list", str: "a text", int: "a whole number"}
        raise EnvelopeError(f"{at} must be {names[kind]}")
    return value


def _nullable(schema: Json) -> Json:
    return {"anyOf": [schema, {"type": "null"}]}


def _object(**properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


_STRING: Json = {"type": "string"}
_INTEGER: Json = {"type": "integer"}

SCHEMA: Json = _object(
    verdict={"type": "string", "enum": list(VERDICTS)},
    reason=_STRING,
    proposals={
        "type": "array",
        "items": _object(
            hypothesis=_STRING,
            predicts={"type": "array", "items": _STRING},
            risk=_STRING,
            edits=_nullable(
                {
                    "type": "array",
                    "items": _object(
                        message=_INTEGER,
                        op={"type": "string", "enum": list(OPS)},
                        anchor=_nullable(_STRING),
                        text=_nullable(_STRING),
                    ),
                }
            ),
            messages=_nullable({"type": "array", "items": _object(message=_INTEGER, text=_STRING)}),
            examples=_nullable({"type": "array", "items": _object(user=_STRING, assistant=_STRING)}),
        ),
    },
)
"""The envelope as a JSON Schema in the strict form that structured output asks for: every key required."""
