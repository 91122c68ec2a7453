"""What must hold for a case: its assertions, and the whole right reply where they tell it."""

from __future__ import annotations

from pytest_metaprompt.formats.filling import Filling
from pytest_metaprompt.formats.marked import Marked
from pytest_metaprompt.suites import Assertion, Json
from pytest_metaprompt.templates import as_text

_NEGATION = "not-"
_COMMON = frozenset({"type", "value", "threshold", "weight", "metric", "transform", "assert"})


def read_assertion(node: Marked, filling: Filling) -> Assertion:
    """One entry of `assert`, filled, with the entries of its own `assert` if it is a set."""
    entries = node.mapping()
    written = entries["type"].text()
    return Assertion(
        kind=written.removeprefix(_NEGATION),
        value=filling.json(entries["value"]) if "value" in entries else None,
        negated=written.startswith(_NEGATION),
        threshold=entries["threshold"].number() if "threshold" in entries else None,
        weight=entries["weight"].number() if "weight" in entries else 1.0,
        metric=filling.text(entries["metric"]) if "metric" in entries else None,
        settings={key: filling.json(child) for key, child in entries.items() if key not in _COMMON},
        where=filling.problems.at(node.line),
        transform=filling.text(entries["transform"]) if "transform" in entries else None,
        children=tuple(read_assertion(child, filling) for child in entries["assert"].items())
        if "assert" in entries
        else (),
    )


def read_expect(node: Marked, line: int, filling: Filling) -> Assertion:
    """What `expect` is short for."""
    return Assertion("equals", filling.json(node), where=filling.problems.at(line))


def right_answer(assertions: tuple[Assertion, ...], expect: Assertion | None) -> str | None:
    """The whole right reply: `expect`, else the one `equals`, else what a `json` or an `evals-match` compares with."""
    if expect:
        return as_text(expect.value)
    wanted = [assertion for assertion in assertions if not assertion.negated]
    equal: list[Json] = [assertion.value for assertion in wanted if assertion.kind == "equals"]
    if len(equal) == 1:
        return as_text(equal[0])
    compared = [a.value for a in wanted if a.kind == "json" and isinstance(a.value, dict | list)]
    if compared:
        return as_text(compared[0])
    ideals = [a.value for a in wanted if a.kind == "evals-match"]
    first = ideals[0] if ideals else None
    first = first[0] if isinstance(first, list) and first else first
    return None if first is None else as_text(first)
