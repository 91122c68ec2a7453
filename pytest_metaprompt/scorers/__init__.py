"""Attempt -> Verdict: one short file per family of assertions, opened here by the assertion's type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_metaprompt.errors import MetapromptError, did_you_mean
from pytest_metaprompt.protocols import Graders, Scorer
from pytest_metaprompt.scorers.context import open_context_faithfulness, open_context_recall, open_context_relevance
from pytest_metaprompt.scorers.equals import open_equals
from pytest_metaprompt.scorers.evals_match import open_evals_match
from pytest_metaprompt.scorers.g_eval import open_g_eval
from pytest_metaprompt.scorers.grading import NOBODY
from pytest_metaprompt.scorers.json_compare import open_json
from pytest_metaprompt.scorers.json_format import open_is_json
from pytest_metaprompt.scorers.model_graded import open_closed_qa, open_factuality, open_llm_rubric
from pytest_metaprompt.scorers.negation import Negated
from pytest_metaprompt.scorers.python_code import open_python
from pytest_metaprompt.scorers.regex import open_regex
from pytest_metaprompt.scorers.relevance import open_answer_relevance, open_conversation_relevance
from pytest_metaprompt.scorers.scope import Scoped, scope_of
from pytest_metaprompt.scorers.similar import SIMILAR, open_similar
from pytest_metaprompt.scorers.text import open_contains, open_icontains, open_starts_with
from pytest_metaprompt.scorers.tool_call import open_tool_call
from pytest_metaprompt.scorers.value_files import load_value, names_file
from pytest_metaprompt.scorers.values import problem
from pytest_metaprompt.scorers.verdicts import Labelled
from pytest_metaprompt.suites import Assertion

__all__ = ["GRADED", "KNOWN", "SIMILAR", "check", "open_scorer"]


@dataclass(frozen=True, slots=True)
class _Family:
    """How a type is opened, and the settings it has of its own."""

    opened: Callable[[Assertion], Scorer]
    settings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _GradedFamily:
    """How a type that asks a model is opened, and the settings it has of its own."""

    opened: Callable[[Assertion, Graders], Scorer]
    settings: tuple[str, ...] = ("provider",)


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

_GRADED_FAMILIES: Mapping[str, _GradedFamily] = {
    "llm-rubric": _GradedFamily(open_llm_rubric),
    "factuality": _GradedFamily(open_factuality, ("provider", "factuality")),
    "model-graded-factuality": _GradedFamily(open_factuality, ("provider", "factuality")),
    "model-graded-closedqa": _GradedFamily(open_closed_qa),
    "g-eval": _GradedFamily(open_g_eval),
    "answer-relevance": _GradedFamily(open_answer_relevance),
    "conversation-relevance": _GradedFamily(open_conversation_relevance),
    "context-recall": _GradedFamily(open_context_recall),
    "context-relevance": _GradedFamily(open_context_relevance),
    "context-faithfulness": _GradedFamily(open_context_faithfulness),
    **dict.fromkeys(SIMILAR, _GradedFamily(open_similar)),
}

GRADED = frozenset(_GRADED_FAMILIES)
"""The types that ask a model of their own for their verdict."""

KNOWN = GRADED | frozenset(_FAMILIES)
"""The types that can be checked, without their `not-`."""

_COMMON_SETTINGS = ("scope",)


def check(assertion: Assertion) -> None:
    """Returns if the assertion can work, as far as can be told without reading the file that its value may name, and
    without knowing which models it may ask.

    Raises:
        MetapromptError: It cannot: its type is unknown, or its value or a setting is not what the type needs.
    """
    family = _family(assertion)
    scope_of(assertion)
    if not names_file(assertion.value):
        _opened(family, assertion, NOBODY)


def open_scorer(assertion: Assertion, *, base: Path, graders: Graders = NOBODY) -> Scorer:
    """The scorer of the assertion, `not-`, weight and metric included. `file://` values are relative to `base`.

    Raises:
        MetapromptError: The assertion cannot work; everything that `check` finds, trouble with files, and a judge
            that is needed and that `graders` do not name.
    """
    inner = _opened(_family(assertion), load_value(assertion, base=base), graders)
    scorer = Scoped(inner, scope_of(assertion))
    return Labelled(assertion, Negated(scorer) if assertion.negated else scorer)


def _opened(family: _Family | _GradedFamily, assertion: Assertion, graders: Graders) -> Scorer:
    return family.opened(assertion, graders) if isinstance(family, _GradedFamily) else family.opened(assertion)


def _family(assertion: Assertion) -> _Family | _GradedFamily:
    family = _FAMILIES.get(assertion.kind) or _GRADED_FAMILIES.get(assertion.kind)
    if family is None:
        hint = did_you_mean(assertion.kind, KNOWN)
        raise MetapromptError(f"unknown assertion {assertion.type!r}", where=assertion.where, hint=hint)
    for key in assertion.settings:
        if key not in (*family.settings, *_COMMON_SETTINGS):
            hint = did_you_mean(key, family.settings) if family.settings else f"{assertion.type} has no settings"
            raise problem(assertion, f"unknown key {key!r}", hint=hint)
    return family
