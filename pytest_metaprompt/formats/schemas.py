"""The part of JSON Schema that `schema.json` uses, typed, with its references put in place."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import TypedDict

Schema = TypedDict(
    "Schema",
    {
        "$schema": str,
        "$id": str,
        "$ref": str,
        "$defs": "dict[str, Schema]",
        "title": str,
        "description": str,
        "x-words": str,
        "x-open": bool,
        "x-near": float,
        "type": "str | list[str]",
        "not": "Schema",
        "enum": "list[str]",
        "pattern": str,
        "minLength": int,
        "maxLength": int,
        "minimum": float,
        "maximum": float,
        "exclusiveMinimum": float,
        "exclusiveMaximum": float,
        "minItems": int,
        "items": "Schema",
        "properties": "dict[str, Schema]",
        "required": "list[str]",
        "additionalProperties": "bool | Schema",
        "if": "Schema",
        "then": "Schema",
        "else": "Schema",
    },
    total=False,
)
"""A schema. `not` is only used as `{}`, which refuses a key; `if` only asks for a mapping with required keys.

Words of our own: `x-words` says what a value must be; an `enum` with `x-open` is a help for editors and not the last
word; in a mapping that may hold any key, `x-near` is how alike (0 to 1) a key must be to a known one to be a slip.
"""


def schema_text() -> str:
    """The text of `schema.json`."""
    return resources.files(__package__).joinpath("schema.json").read_text(encoding="utf-8")


def read_schema() -> Schema:
    """`schema.json` as it stands."""
    schema: Schema = json.loads(schema_text())
    return schema


@cache
def suite_schema() -> Schema:
    """The schema of a native suite without `$ref`: what is referred to stands in place."""
    schema = read_schema()
    return _in_place(schema, schema["$defs"], {})


def _in_place(schema: Schema, definitions: dict[str, Schema], begun: dict[str, Schema]) -> Schema:
    """The schema with what it refers to. A definition that refers to itself holds itself: `begun` has those so far."""
    if schema.keys() == {"$ref"}:
        name = schema["$ref"].removeprefix("#/$defs/")
        if name not in begun:
            begun[name] = Schema()
            begun[name].update(_in_place(definitions[name], definitions, begun))
        return begun[name]
    found = schema.copy()
    if "$ref" in found:
        target = _in_place(Schema({"$ref": found.pop("$ref")}), definitions, begun)
        # An empty target is one that is still being read: it is not copied before it is whole.
        return {**target, **found} if target else target
    if "items" in found:
        found["items"] = _in_place(found["items"], definitions, begun)
    more = found.get("additionalProperties")
    if isinstance(more, dict):
        found["additionalProperties"] = _in_place(more, definitions, begun)
    if "properties" in found:
        found["properties"] = {key: _in_place(child, definitions, begun) for key, child in found["properties"].items()}
    if "if" in found:
        found["then"] = _in_place(found["then"], definitions, begun)
        found["else"] = _in_place(found["else"], definitions, begun)
    return found
