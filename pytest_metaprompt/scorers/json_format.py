"""`is-json`: the whole reply is JSON and, with a JSON Schema as value, fits it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_metaprompt.errors import MetapromptError, ScorerError
from pytest_metaprompt.results import Attempt, Verdict
from pytest_metaprompt.scorers.excerpts import excerpt, few
from pytest_metaprompt.scorers.json_paths import show_path
from pytest_metaprompt.scorers.json_schema import open_schema
from pytest_metaprompt.scorers.json_values import NotJsonError, Plain, parse, plain
from pytest_metaprompt.scorers.value_files import parse_yaml
from pytest_metaprompt.scorers.values import kind_of, problem
from pytest_metaprompt.scorers.verdicts import fails, holds, reply_of
from pytest_metaprompt.suites import Assertion

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator


@dataclass(frozen=True, slots=True)
class Schema:
    """The JSON Schema of an assertion."""

    assertion: Assertion
    validator: Validator

    def violations(self, value: Plain) -> list[str]:
        """In what the value does not fit, each by its path.

        Raises:
            ScorerError: The schema refers to something that cannot be found, or to itself without end.
        """
        from referencing.exceptions import Unresolvable

        try:
            return [_describe(error) for error in self.validator.iter_errors(value)]
        except Unresolvable as error:
            message = f"{self.assertion.type}: the schema refers to {error.ref!r}, which is not in it"
            raise ScorerError(message, where=self.assertion.where) from None
        except OverflowError:  # out of jsonschema, for a huge number under a multipleOf such as 0.01
            return ["it holds a number too large to be checked"]
        except RecursionError:
            message = f"{self.assertion.type}: the schema refers to itself without end"
            raise ScorerError(message, where=self.assertion.where) from None


@dataclass(frozen=True, slots=True)
class IsJson:
    """Holds if the reply is JSON and fits the schema, where there is one."""

    schema: Schema | None

    async def score(self, attempt: Attempt) -> Verdict:
        """Parses the whole reply and validates it.

        Raises:
            ScorerError: The schema refers to something that cannot be found, or to itself without end.
        """
        try:
            value = parse(reply_of(attempt).text)
        except NotJsonError as error:
            return fails(f"expected JSON: {error}")
        if self.schema is None:
            return holds("the reply is JSON")
        found = self.schema.violations(value)
        return (
            fails(f"does not fit the schema: {few(found)}") if found else holds("the reply is JSON and fits the schema")
        )


def open_is_json(assertion: Assertion) -> IsJson:
    """The scorer of an `is-json`.

    Raises:
        MetapromptError: The value is not a JSON Schema.
    """
    return IsJson(open_value_schema(assertion))


def open_value_schema(assertion: Assertion) -> Schema | None:
    """The JSON Schema that is the assertion's value, if it has one.

    Raises:
        MetapromptError: The value is not a JSON Schema.
    """
    schema = _schema(assertion)
    if schema is None:
        return None
    try:
        return Schema(assertion, open_schema(json.dumps(schema)))
    except MetapromptError as error:
        raise problem(assertion, error.message, hint=error.hint) from None


def _schema(assertion: Assertion) -> Plain:
    value = plain(assertion.value)
    if isinstance(value, str):
        value = _schema_of_text(assertion, value)
    if value is not None and not isinstance(value, dict):
        hint = "write it as a mapping, or name a file with file://"
        raise problem(assertion, f"the schema must be a mapping, not {kind_of(value)}", hint=hint)
    return value


def _schema_of_text(assertion: Assertion, text: str) -> Plain:
    try:
        schema = plain(parse_yaml(text))
    except ValueError as error:
        raise problem(assertion, f"the schema is neither JSON nor YAML: {error}") from None
    if schema is None:
        raise problem(assertion, "the schema is empty", hint="leave value out to accept any JSON")
    return schema


def _describe(error: ValidationError) -> str:
    place = show_path(tuple(error.absolute_path))
    message = error.message if len(error.message) <= 200 else excerpt(error.message, width=200)
    return f"{place}: {message}" if place else message
