"""Attempt -> Verdict: one short file per family of assertions, opened here by the assertion's type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_metaprompt.errors import MetapromptError, did_you_mean
from pytest_metaprompt.protocols import Scorer
from pytest_metaprompt.scorers.equals import open_equals
from pytest_metaprompt.scorers.evals_match import open_evals_match
from pytest_metaprompt.scorers.json_compare import open_json
from pytest_metaprompt.scorers.json_format import open_is_json
from pytest_metaprompt.scorers.negation import Negated
from pytest_metaprompt.scorers.python_code import open_python
from pytest_metaprompt.scorers.regex import open_regex
from pytest_metaprompt.scorers.text import open_contains, open_icontains, open_starts_with
from pytest_metaprompt.scorers.tool_call import open_tool_call
from pytest_metaprompt.scorers.value_files import load_value, names_file
from pytest_metaprompt.scorers.values import problem
from pytest_metaprompt.scorers.verdicts import Labelled
from pytest_metaprompt.suites import Assertion

__all__ = ["KNOWN", "check", "open_scorer"]


@dataclass(frozen=True, slots=True)
class _Family:
    """How a type is opened, and the settings it has of its own."""

    opened: Callable[[Assertion], Scorer]
    settings: tuple[str, ...] = ()


_FAMILIES: Mapping[str, _Family] = {
    "equals": _Family(open_equals),
    "contains": _Family(open_contains),
    "icontains": _Family(open_icontains),
    "starts-with": _Family(open_starts_with),
    "regex": _Family(open_regex),
    "is-json": _Family(open_is_json),
    "json": _Family(open_json, ("ignore_paths", "tolerance", "ignore_order")),
    "tool-call": _Family(open_tool_call, ("mode",)),
    "evals-match": _Family(open_evals_match, ("mode",)),
    "python": _Family(open_python),
}

KNOWN = frozenset(_FAMILIES)
"""The types that can be checked, without their `not-`."""


def check(assertion: Assertion) -> None:
    """Returns if the assertion can work, as far as can be told without reading the file that its value may name.

    Raises:
        MetapromptError: It cannot: its type is unknown, or its value or a setting is not what the type needs.
    """
    family = _family(assertion)
    if not names_file(assertion.value):
        family.opened(assertion)


def open_scorer(assertion: Assertion, *, base: Path) -> Scorer:
    """The scorer of the assertion, `not-`, weight and metric included. `file://` values are relative to `base`.

    Raises:
        MetapromptError: The assertion cannot work; everything that `check` finds, and trouble with files.
    """
    scorer = _family(assertion).opened(load_value(assertion, base=base))
    return Labelled(assertion, Negated(scorer) if assertion.negated else scorer)


def _family(assertion: Assertion) -> _Family:
    if assertion.kind not in _FAMILIES:
        hint = did_you_mean(assertion.kind, KNOWN)
        raise MetapromptError(f"unknown assertion {assertion.type!r}", where=assertion.where, hint=hint)
    family = _FAMILIES[assertion.kind]
    for key in assertion.settings:
        if key not in family.settings:
            hint = did_you_mean(key, family.settings) if family.settings else f"{assertion.type} has no settings"
            raise problem(assertion, f"unknown key {key!r}", hint=hint)
    return family
