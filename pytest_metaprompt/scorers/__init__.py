"""Attempt -> Verdict: one short file per family of assertions, opened here by the assertion's type."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from pytest_metaprompt.errors import MetapromptError, SkippedError, did_you_mean
from pytest_metaprompt.protocols import Scorer
from pytest_metaprompt.scorers.assert_set import check_assert_set, open_assert_set
from pytest_metaprompt.scorers.computed_value import names_code, open_computed
from pytest_metaprompt.scorers.families import FAMILIES, Family
from pytest_metaprompt.scorers.negation import Negated
from pytest_metaprompt.scorers.outputs import OutputAsText
from pytest_metaprompt.scorers.transforms import with_transform
from pytest_metaprompt.scorers.unsupported import why_unsupported
from pytest_metaprompt.scorers.value_files import load_value, names_file
from pytest_metaprompt.scorers.values import problem
from pytest_metaprompt.scorers.verdicts import Labelled
from pytest_metaprompt.suites import Assertion

__all__ = ["KNOWN", "check", "open_scorer"]

_SET = "assert-set"
_SET_FAMILY = Family(None, threshold=True)

KNOWN = frozenset(FAMILIES) | {_SET}
"""The types that can be checked, without their `not-`."""


def check(assertion: Assertion) -> None:
    """Returns if the assertion can work, as far as can be told without reading the file that its value may name.

    Raises:
        MetapromptError: It cannot: its type is unknown, or its value or a setting is not what the type needs.
    """
    family = _family(assertion)
    for child in assertion.children:
        check(child)
    if family.opened is None:
        check_assert_set(assertion)
    elif not names_file(assertion.value):
        with suppress(SkippedError):  # the case says so when its turn comes
            family.opened(assertion)


def open_scorer(assertion: Assertion, *, base: Path) -> Scorer:
    """The scorer of the assertion, with its `not-`, transform, weight and metric. Files are relative to `base`.

    Raises:
        MetapromptError: The assertion cannot work; everything that `check` finds, and trouble with files.
        SkippedError: It cannot be judged on this machine.
    """
    scorer = with_transform(_plain(assertion, base), assertion, base=base)
    if assertion.negated:
        keeps = assertion.dialect == "promptfoo" and _family(assertion).keeps_score
        scorer = Negated(scorer, keeps_score=keeps)
    return Labelled(assertion, scorer)


def _plain(assertion: Assertion, base: Path) -> Scorer:
    """The scorer without what every type has."""
    family = _family(assertion)
    if family.opened is None:
        return open_assert_set(assertion, lambda child: open_scorer(child, base=base))
    if names_code(assertion):
        scorer: Scorer = open_computed(assertion, family.opened, base=base)
    else:
        scorer = family.opened(load_value(assertion, base=base))
    return OutputAsText(scorer) if assertion.dialect == "promptfoo" else scorer


def _family(assertion: Assertion) -> Family:
    family = _SET_FAMILY if assertion.kind == _SET else FAMILIES.get(assertion.kind)
    if family is None:
        raise _unknown(assertion)
    for key in assertion.settings:
        if key not in family.settings:
            hint = did_you_mean(key, family.settings) if family.settings else f"{assertion.type} has no settings"
            raise problem(assertion, f"unknown key {key!r}", hint=hint)
    if assertion.dialect == "native" and assertion.threshold is not None and not family.threshold:
        raise problem(assertion, "it has no threshold, so this one would not be looked at", hint="leave threshold out")
    if assertion.children and assertion.kind != _SET:
        raise problem(assertion, "only an assert-set has assertions of its own", hint="leave assert out")
    return family


def _unknown(assertion: Assertion) -> MetapromptError:
    reason = why_unsupported(assertion.kind)
    if reason is not None:
        message = f"{assertion.type}: promptfoo has this assertion, we do not (yet): {reason}"
        return MetapromptError(message, where=assertion.where)
    hint = did_you_mean(assertion.kind, KNOWN)
    return MetapromptError(f"unknown assertion {assertion.type!r}", where=assertion.where, hint=hint)
