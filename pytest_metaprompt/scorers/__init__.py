"""Attempt -> Verdict: one short file per family of assertions, opened here by the assertion's type."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from pytest_metaprompt.errors import MetapromptError, SkippedError, did_you_mean
from pytest_metaprompt.protocols import Graders, Scorer
from pytest_metaprompt.scorers.assert_set import check_assert_set, open_assert_set
from pytest_metaprompt.scorers.computed_value import names_code, open_computed
from pytest_metaprompt.scorers.families import FAMILIES, Family
from pytest_metaprompt.scorers.graded_families import GRADED_FAMILIES, GradedFamily
from pytest_metaprompt.scorers.grading import NOBODY
from pytest_metaprompt.scorers.negation import Negated
from pytest_metaprompt.scorers.outputs import OutputAsText
from pytest_metaprompt.scorers.scope import OfConversation, scope_of
from pytest_metaprompt.scorers.similar import SIMILAR
from pytest_metaprompt.scorers.transforms import with_transform
from pytest_metaprompt.scorers.unsupported import why_unsupported
from pytest_metaprompt.scorers.value_files import load_value, names_file
from pytest_metaprompt.scorers.values import problem
from pytest_metaprompt.scorers.verdicts import Labelled
from pytest_metaprompt.suites import Assertion

__all__ = ["GRADED", "KNOWN", "SIMILAR", "check", "open_scorer"]

_SET = "assert-set"
_SET_FAMILY = Family(None, threshold=True)

GRADED = frozenset(GRADED_FAMILIES)
"""The types that ask a model of their own for their verdict."""

KNOWN = GRADED | frozenset(FAMILIES) | {_SET}
"""The types that can be checked, without their `not-`."""

_COMMON_SETTINGS = ("scope",)


def check(assertion: Assertion) -> None:
    """Returns if the assertion can work, as far as can be told without reading the file that its value may name, and
    without knowing which models it may ask.

    Raises:
        MetapromptError: It cannot: its type is unknown, or its value or a setting is not what the type needs.
    """
    family = _family(assertion)
    for child in assertion.children:
        check(child)
    scope_of(assertion)
    if assertion.kind == _SET:
        check_assert_set(assertion)
    elif not names_file(assertion.value):
        with suppress(SkippedError):  # the case says so when its turn comes
            _opened(family, assertion, NOBODY)


def open_scorer(assertion: Assertion, *, base: Path, graders: Graders = NOBODY) -> Scorer:
    """The scorer of the assertion, with its `not-`, transform, weight and metric. Files are relative to `base`.

    Raises:
        MetapromptError: The assertion cannot work; everything that `check` finds, trouble with files, and a judge
            that is needed and that `graders` do not name.
        SkippedError: It cannot be judged on this machine.
    """
    scorer = with_transform(_plain(assertion, base, graders), assertion, base=base)
    if scope_of(assertion) == "conversation":
        scorer = OfConversation(scorer)
    if assertion.negated:
        family = _family(assertion)
        keeps = assertion.dialect == "promptfoo" and isinstance(family, Family) and family.keeps_score
        scorer = Negated(scorer, keeps_score=keeps)
    return Labelled(assertion, scorer)


def _plain(assertion: Assertion, base: Path, graders: Graders) -> Scorer:
    """The scorer without what every type has."""
    family = _family(assertion)
    if assertion.kind == _SET:
        return open_assert_set(assertion, lambda child: open_scorer(child, base=base, graders=graders))
    if names_code(assertion):
        scorer: Scorer = open_computed(assertion, lambda one: _opened(family, one, graders), base=base)
    else:
        scorer = _opened(family, load_value(assertion, base=base), graders)
    return OutputAsText(scorer) if assertion.dialect == "promptfoo" else scorer


def _opened(family: Family | GradedFamily, assertion: Assertion, graders: Graders) -> Scorer:
    if isinstance(family, GradedFamily):
        return family.opened(assertion, graders)
    assert family.opened is not None, "an assert-set is opened by its parts"
    return family.opened(assertion)


def _family(assertion: Assertion) -> Family | GradedFamily:
    if assertion.kind == _SET:
        family: Family | GradedFamily | None = _SET_FAMILY
    else:
        family = FAMILIES.get(assertion.kind) or GRADED_FAMILIES.get(assertion.kind)
    if family is None:
        raise _unknown(assertion)
    for key in assertion.settings:
        if key not in (*family.settings, *_COMMON_SETTINGS):
            hint = did_you_mean(key, family.settings) if family.settings else f"{assertion.type} has no settings"
            raise problem(assertion, f"unknown key {key!r}", hint=hint)
    if assertion.dialect == "native" and assertion.threshold is not None and not _has_threshold(family):
        raise problem(assertion, "it has no threshold, so this one would not be looked at", hint="leave threshold out")
    if assertion.children and assertion.kind != _SET:
        raise problem(assertion, "only an assert-set has assertions of its own", hint="leave assert out")
    return family


def _has_threshold(family: Family | GradedFamily) -> bool:
    return isinstance(family, GradedFamily) or family.threshold


def _unknown(assertion: Assertion) -> MetapromptError:
    reason = why_unsupported(assertion.kind)
    if reason is not None:
        message = f"{assertion.type}: promptfoo has this assertion, we do not (yet): {reason}"
        return MetapromptError(message, where=assertion.where)
    hint = did_you_mean(assertion.kind, KNOWN)
    return MetapromptError(f"unknown assertion {assertion.type!r}", where=assertion.where, hint=hint)
