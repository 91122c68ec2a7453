"""What the schema asks for and what a file holds instead, in words."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_metaprompt.formats.marked import Marked
from pytest_metaprompt.formats.schemas import Schema

_NOUNS: Mapping[str, str] = {
    "null": "nothing",
    "boolean": "true or false",
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "array": "a list",
    "object": "a mapping",
}
_LONGEST = 40


def mismatch(name: str, schema: Schema, node: Marked) -> str:
    """The sentence for a value that is not what its place needs."""
    wrong = "but it is empty" if node.value is None else f"not {shown(node)}"
    return f"{name} must be {expected(schema)}, {wrong}"


def expected(schema: Schema) -> str:
    """What a value must be: `a whole number of 1 or more`, `a text or a mapping`."""
    if "x-words" in schema:
        return schema["x-words"]
    *most, last = [_noun(name, schema) for name in types_of(schema)]
    return f"{', '.join(most)} or {last}" if most else last


def types_of(schema: Schema) -> list[str]:
    """The names of the types that a schema with `type` allows."""
    types = schema["type"]
    return [types] if isinstance(types, str) else types


def shown(node: Marked) -> str:
    """What a value is: `the text 'three'`, `a list`, `0`."""
    value = node.value
    if isinstance(value, str):
        return f"the text {shortened(value)!r}" if value else "an empty text"
    if isinstance(value, tuple):
        return "a list" if value else "an empty list"
    if isinstance(value, dict):
        return "a mapping"
    return str(value).lower() if isinstance(value, bool) else str(value)


def shortened(text: str) -> str:
    """The text, or its beginning."""
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def as_hint(description: str) -> str:
    """A description of the schema as the end of a message: no capital, no full stop."""
    return description[:1].lower() + description[1:].removesuffix(".")


def _noun(name: str, schema: Schema) -> str:
    if name in ("number", "integer"):
        return _NOUNS[name] + _range(schema)
    if name == "string" and schema.get("maxLength") == 1:
        return "one character"
    if name == "string" and "minLength" in schema:
        return "a text that is not empty"
    if name == "array" and "minItems" in schema:
        return "a list with at least one item"
    return _NOUNS[name]


def _range(schema: Schema) -> str:
    if "minimum" in schema and "maximum" in schema:
        return f" from {schema['minimum']} to {schema['maximum']}"
    if "minimum" in schema and "exclusiveMaximum" in schema:
        return f" from {schema['minimum']} to below {schema['exclusiveMaximum']}"
    if "minimum" in schema:
        return f" of {schema['minimum']} or more"
    if "exclusiveMinimum" in schema and "exclusiveMaximum" in schema:
        return f" above {schema['exclusiveMinimum']} and below {schema['exclusiveMaximum']}"
    return f" above {schema['exclusiveMinimum']}" if "exclusiveMinimum" in schema else ""
