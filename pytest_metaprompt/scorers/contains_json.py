"""`contains-json`: somewhere in the reply stands JSON that, with a JSON Schema as value, fits it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from pytest_metaprompt.protocols import Scorer
from pytest_metaprompt.results import Attempt, Verdict
from pytest_metaprompt.scorers.excerpts import excerpt, few
from pytest_metaprompt.scorers.json_format import Schema, open_value_schema
from pytest_metaprompt.scorers.json_values import DEEPEST, NotJsonError, Plain, parse, parse_start
from pytest_metaprompt.scorers.value_files import parse_yaml
from pytest_metaprompt.scorers.verdicts import fails, holds, reply_of
from pytest_metaprompt.suites import Assertion

_START = re.compile(r"[{\[]")
_TOO_DEEP = re.compile(rf"[{{\[\s]{{{10 * DEEPEST},}}")


@dataclass(frozen=True, slots=True)
class ContainsJson:
    """Holds if one of the objects and lists in the reply fits the schema, where there is one.

    `relaxed` also takes objects as JavaScript writes them, such as `{a: 1}`, and no lists: so promptfoo has it.
    """

    schema: Schema | None
    relaxed: bool

    async def score(self, attempt: Attempt) -> Verdict:
        """Looks for JSON in the reply.

        Raises:
            ScorerError: The schema cannot be used.
        """
        text = reply_of(attempt).text
        complaints: list[str] = []
        for value in _relaxed_objects(text) if self.relaxed else _values(text):
            found = self.schema.violations(value) if self.schema else []
            if not found:
                return holds("the reply contains JSON" + (" that fits the schema" if self.schema else ""))
            complaints = complaints or found
        if complaints:
            return fails(f"no JSON in the reply fits the schema: {few(complaints)}")
        return fails(f"expected JSON in the reply, got {excerpt(text)}")


def open_contains_json(assertion: Assertion) -> Scorer:
    """The scorer of a `contains-json`.

    Raises:
        MetapromptError: The value is not a JSON Schema.
    """
    return ContainsJson(open_value_schema(assertion), relaxed=assertion.dialect == "promptfoo")


def _values(text: str) -> Iterator[Plain]:
    """The objects and lists in a text that do not stand in another one."""
    position = 0
    while start := _START.search(text, position):
        try:
            value, position = parse_start(text, start.start())
        except NotJsonError:
            deep = _TOO_DEEP.match(text, start.start())
            position = start.end() if deep is None else deep.end() - DEEPEST
            continue
        yield value


def _relaxed_objects(text: str) -> Iterator[Plain]:
    position = text.find("{")
    while position >= 0:
        end = _closing(text, position)
        value = None if end is None else _object(text[position:end])
        if value is not None:
            yield value
        position = text.find("{", position + 1 if value is None or end is None else end)


def _closing(text: str, start: int) -> int | None:
    """Where the brace that opens at `start` is closed, strings apart; None, too, where it holds too many others."""
    depth, quote, position = 0, "", start
    while position < len(text):
        letter = text[position]
        if quote:
            position += letter == "\\"
            quote = "" if letter == quote else quote
        elif letter == '"':
            quote = letter
        elif letter in "{}":
            depth += 1 if letter == "{" else -1
            if depth == 0:
                return position + 1
            if depth > DEEPEST:
                return None
        position += 1
    return None


def _object(text: str) -> Plain:
    try:
        return parse(text)
    except NotJsonError:
        pass
    try:
        value = parse(json.dumps(parse_yaml(text)))
    except (ValueError, TypeError):
        return None
    return value if isinstance(value, dict) and not any(item is None for item in value.values()) else None
