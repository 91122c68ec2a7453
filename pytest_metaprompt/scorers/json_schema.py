"""A JSON Schema, checked before it is used: valid, of a known draft, and whole without the network."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING

from pytest_metaprompt.errors import MetapromptError
from pytest_metaprompt.scorers.json_formats import checker_of_formats
from pytest_metaprompt.scorers.json_paths import show_path
from pytest_metaprompt.scorers.json_values import Plain

if TYPE_CHECKING:
    from jsonschema.protocols import Validator
    from referencing.jsonschema import SchemaRegistry

_LATEST = "https://json-schema.org/draft/2020-12/schema"
_NOT_SCHEMAS = frozenset({"enum", "const", "default", "examples"})


@lru_cache(maxsize=256)  # Many cases share one schema, and checking it takes milliseconds.
def open_schema(schema_text: str) -> Validator:
    """The validator of a schema. References lead into the schema itself or a published draft; nothing is fetched.

    Raises:
        MetapromptError: The schema is invalid, of an unknown draft, or refers to something that is not in it.
    """
    schema: dict[str, Plain] = json.loads(schema_text)
    validator = _validator(schema)
    dangling = _dangling(schema)
    if dangling:
        message = f"the JSON schema refers to {dangling[0]!r}, which is not in it"
        raise MetapromptError(message, hint="put it under $defs; nothing is fetched")
    return validator


def _validator(schema: dict[str, Plain]) -> Validator:
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import Draft202012Validator, validator_for

    _refuse_unknown_draft(schema.get("$schema", _LATEST))
    draft = validator_for(schema, default=Draft202012Validator)
    try:
        draft.check_schema(schema)
    except SchemaError as error:
        place = show_path(tuple(error.absolute_path))
        message = f"the JSON schema is invalid{f' at {place}' if place else ''}: {error.message}"
        raise MetapromptError(message, hint="without $schema it is read as draft 2020-12") from None
    return draft(schema, registry=_published(), format_checker=checker_of_formats(draft.FORMAT_CHECKER))


def _refuse_unknown_draft(declared: Plain) -> None:
    from referencing.jsonschema import UnknownDialect, specification_with

    try:
        specification_with(str(declared))
    except UnknownDialect:
        raise MetapromptError(f"unknown $schema {declared!r}", hint=f"such as {_LATEST}, or leave it out") from None


def _published() -> SchemaRegistry:
    """The schemas of the published drafts. Unlike jsonschema's default, this registry never asks the network."""
    from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]  # it ships no types

    registry: SchemaRegistry = REGISTRY
    return registry


def _dangling(schema: dict[str, Plain]) -> list[str]:
    """The references that lead nowhere, of those that can be told without running the schema."""
    from referencing import Resource
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012

    resource = Resource.from_contents(schema, default_specification=DRAFT202012)
    base = resource.id() or ""
    resolver = _published().with_resource(base, resource).resolver(base)
    dangling = []
    for reference in _references(schema):
        try:
            resolver.lookup(reference)
        except Unresolvable:
            dangling.append(reference)
    return dangling


def _references(schema: dict[str, Plain]) -> list[str]:
    """What each `$ref` names by a whole address or a place in this schema, in parts without an `$id` of their own."""
    found: list[str] = []
    waiting: list[Plain] = [schema]
    for part in waiting:
        if isinstance(part, list):
            waiting.extend(part)
        if not isinstance(part, dict) or (part is not schema and "$id" in part):
            continue
        reference = part.get("$ref")
        if isinstance(reference, str) and (reference.startswith("#/") or "://" in reference):
            found.append(reference)
        waiting.extend(item for key, item in part.items() if key not in _NOT_SCHEMAS)
    return found
