"""The shape of a suite file, checked against `schema.json` and told in words.

The schema is the one description of the shape. It is read here by hand: the `jsonschema` package takes a second for
10,000 cases, and knows neither lines nor the words of our messages. A test holds the two to the same judgement.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from pytest_metaprompt.errors import did_you_mean
from pytest_metaprompt.formats.marked import Marked
from pytest_metaprompt.formats.schemas import Schema, suite_schema
from pytest_metaprompt.formats.wording import as_hint, mismatch, types_of
from pytest_metaprompt.suites import Keys

_TYPES: Mapping[str, tuple[type, ...]] = {
    "null": (type(None),),
    "boolean": (bool,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "array": (tuple,),
    "object": (dict,),
}


@dataclass(frozen=True, slots=True)
class Flaw:
    """One place where a file is not as the schema wants it."""

    keys: Keys
    line: int
    message: str
    hint: str | None = None


def find_flaws(root: Marked, schema: Schema | None = None) -> tuple[Flaw, ...]:
    """Everything in which a suite file, or what has a schema of its own, differs from the schema."""
    walk = _Walk()
    walk.check(root, schema or suite_schema(), _Spot("a suite", root.line, ()))
    return tuple(walk.flaws)


def find_message_flaws(messages: Marked) -> tuple[Flaw, ...]:
    """Everything in which a list of chat messages differs from the schema."""
    walk = _Walk()
    case = suite_schema()["properties"]["cases"]["items"]["else"]
    walk.check(messages, case["properties"]["messages"], _Spot("messages", messages.line, ()))
    return tuple(walk.flaws)


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where a value stands, and what to call it."""

    name: str
    line: int
    keys: Keys


@dataclass(frozen=True, slots=True)
class _Walk:
    """Goes through a file and its schema side by side."""

    flaws: list[Flaw] = field(default_factory=list)

    def check(self, node: Marked, schema: Schema, spot: _Spot, *, also: Sequence[str] = ()) -> None:
        """`also` are keys that would make another kind of thing of it; one of them may have been meant."""
        if "not" in schema:
            self._add(spot, f"{spot.name} is refused", as_hint(schema["description"]))
        elif "type" in schema and not _has_type(node, schema):
            self._add(spot, mismatch(spot.name, schema, node), _quotes_hint(node, schema))
        elif isinstance(node.value, dict):
            self._check_mapping(node, node.value, schema, spot, also)
        elif isinstance(node.value, tuple):
            self._check_list(node, schema, spot)
        else:
            self._check_scalar(node, schema, spot)
        if "if" in schema:
            matches = isinstance(node.value, dict) and all(key in node.value for key in schema["if"]["required"])
            if matches:
                self.check(node, schema["then"], spot)
            else:
                self.check(node, schema["else"], spot, also=schema["if"]["required"])

    def _check_mapping(
        self, node: Marked, entries: Mapping[str, Marked], schema: Schema, spot: _Spot, also: Sequence[str]
    ) -> None:
        known, more = schema.get("properties", {}), schema.get("additionalProperties", True)
        for key, child in entries.items():
            line = node.key_lines.get(key, child.line)
            if key in known:
                self.check(child, known[key], _Spot(key, line, (*spot.keys, key)))
            elif isinstance(more, dict):
                self.check(child, more, _Spot(key, line, (*spot.keys, key)))
            elif not more:
                flaw = Flaw((*spot.keys, key), line, f"unknown key {key!r}", did_you_mean(key, [*known, *also]))
                self.flaws.append(flaw)
            elif "x-near" in schema and (near := get_close_matches(key, known, n=1, cutoff=schema["x-near"])):
                self.flaws.append(Flaw((*spot.keys, key), line, f"unknown key {key!r}", f"did you mean {near[0]!r}?"))
        for key in schema.get("required", ()):
            if key not in entries:
                line = spot.line if spot.keys and isinstance(spot.keys[-1], str) else node.line
                message = f"missing key {key!r}"
                self.flaws.append(Flaw(spot.keys, line, message, as_hint(known[key]["description"])))

    def _check_list(self, node: Marked, schema: Schema, spot: _Spot) -> None:
        items = node.items()
        if len(items) < schema.get("minItems", 0):
            self._add(spot, mismatch(spot.name, schema, node))
        if "items" in schema:
            for index, child in enumerate(items):
                self.check(child, schema["items"], _Spot(f"each of {spot.name}", child.line, (*spot.keys, index)))

    def _check_scalar(self, node: Marked, schema: Schema, spot: _Spot) -> None:
        value = node.value
        if isinstance(value, str):
            if "enum" in schema and not schema.get("x-open") and value not in schema["enum"]:
                self._add(spot, f"unknown {spot.name.split()[-1]} {value!r}", did_you_mean(value, schema["enum"]))
            elif not _fits(value, schema):
                self._add(spot, mismatch(spot.name, schema, node))
        elif isinstance(value, int | float) and not _in_range(value, schema):
            self._add(spot, mismatch(spot.name, schema, node))

    def _add(self, spot: _Spot, message: str, hint: str | None = None) -> None:
        self.flaws.append(Flaw(spot.keys, spot.line, message, hint))


def _has_type(node: Marked, schema: Schema) -> bool:
    kind = type(node.value)
    return any(
        kind in _TYPES[name] or (name == "integer" and isinstance(node.value, float) and node.value.is_integer())
        for name in types_of(schema)
    )


def _fits(text: str, schema: Schema) -> bool:
    long_enough = schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", len(text))
    return long_enough and ("pattern" not in schema or re.search(schema["pattern"], text) is not None)


def _in_range(number: float, schema: Schema) -> bool:
    return (
        schema.get("minimum", number) <= number <= schema.get("maximum", number)
        and ("exclusiveMinimum" not in schema or number > schema["exclusiveMinimum"])
        and ("exclusiveMaximum" not in schema or number < schema["exclusiveMaximum"])
    )


def _quotes_hint(node: Marked, schema: Schema) -> str | None:
    is_bare = isinstance(node.value, int | float)
    return "put it in quotes to make it a text" if is_bare and "string" in types_of(schema) else None
