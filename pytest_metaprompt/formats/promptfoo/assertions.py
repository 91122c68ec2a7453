"""The assertions of a promptfoo test. Their texts are templates that are rendered when the reply is there."""

from __future__ import annotations

from pytest_metaprompt.errors import MetapromptError
from pytest_metaprompt.formats.marked import Marked
from pytest_metaprompt.formats.promptfoo.document import Fields, fields_of
from pytest_metaprompt.formats.promptfoo.graders import GraderOptions
from pytest_metaprompt.suites import Assertion

_NEGATION = "not-"
_COMMON = frozenset({"type", "value", "threshold", "weight", "metric", "transform", "assert", "description"})


def read_assertions(fields: Fields, graders: GraderOptions | None = None) -> tuple[Assertion, ...]:
    """The assertions of a test or of a set, those of a test with who grades them.

    Raises:
        MetapromptError: One is no mapping, or has no type.
    """
    read = (_read(node, fields.where.path) for node in fields.nodes("assert"))
    return tuple(found if graders is None else graders.given(found) for found in read)


def _read(node: Marked, path: str) -> Assertion:
    fields = fields_of(node, path, "an assertion")
    written = fields.text("type")
    if not written:
        raise MetapromptError("an assertion needs a type", where=fields.where, hint="such as  type: contains")
    weight, threshold = fields.number("weight"), fields.number("threshold")
    return Assertion(
        kind=written.removeprefix(_NEGATION),
        value=fields.plain("value"),
        negated=written.startswith(_NEGATION),
        threshold=threshold,
        weight=1.0 if weight is None else weight,
        metric=fields.text("metric"),
        settings={name: node.plain() for name, node in fields.entries.items() if name not in _COMMON},
        where=fields.where,
        transform=fields.text("transform"),
        children=read_assertions(fields),
        dialect="promptfoo",
    )
