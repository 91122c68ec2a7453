"""What the user's code may return: a truth value, a number, or a mapping with `pass`, `score` and `reason`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real

from pytest_metaprompt.results import Verdict
from pytest_metaprompt.scorers.values import as_javascript
from pytest_metaprompt.scorers.verdicts import fails, holds


class ResultError(ValueError):
    """The result is not a judgement; the message says what came instead."""


def read_result(result: object, *, threshold: float | None, label: str, bounded: bool = True) -> Verdict:
    """The verdict that a result stands for; `label` begins its reason, as in `x.py:get_assert returned`.

    Scores are brought into 0..1, unless they are not to be `bounded`.

    Raises:
        ResultError: It is none of the things that are understood.
    """
    if isinstance(result, bool):
        return holds(f"{label} true") if result else fails(f"{label} false")
    if isinstance(result, Mapping):
        return _from_mapping(result, threshold=threshold, label=label, bounded=bounded)
    number = _number(result)
    passed = number > 0 if threshold is None else number >= threshold
    wanted = "above 0" if threshold is None else f"at least {as_javascript(threshold)}"
    reason = f"{label} {as_javascript(number)}" + ("" if passed else f", expected {wanted}")
    score = _clamped(number / max(threshold or 1.0, 1.0)) if bounded else number
    return Verdict(type="", passed=passed, score=score, reason=reason)


def _from_mapping(result: Mapping[object, object], *, threshold: float | None, label: str, bounded: bool) -> Verdict:
    passed = result.get("pass", result.get("pass_"))
    if not isinstance(passed, bool):
        raise ResultError(f"the result has no 'pass' that is true or false: {dict(result)!r:.200}")
    score = _number(result.get("score", 1.0 if passed else 0.0))
    reason = result.get("reason") or f"{label} {'true' if passed else 'false'}"
    if passed and threshold is not None and score < threshold:
        passed, reason = False, f"score {as_javascript(score)} is below {as_javascript(threshold)}: {reason}"
    return Verdict(type="", passed=passed, score=_clamped(score) if bounded else score, reason=str(reason))


def _number(result: object) -> float:
    if result is None:
        raise ResultError("the code returned nothing; return a truth value, a number or a mapping with 'pass'")
    if isinstance(result, bool) or not isinstance(result, Real):
        raise ResultError(f"expected a truth value, a number or a mapping with 'pass', got {result!r:.200}")
    try:
        number = float(result)
    except OverflowError as error:
        raise ResultError(f"the result is out of range: {error}") from None
    if math.isnan(number):
        raise ResultError("the result is NaN, which is no judgement")
    return number


def _clamped(number: float) -> float:
    return min(max(number, 0.0), 1.0)
