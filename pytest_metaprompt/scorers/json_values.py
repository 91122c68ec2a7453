"""JSON as values: read from a reply, and when two of them are the same."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NoReturn

from pytest_metaprompt.scorers.excerpts import excerpt
from pytest_metaprompt.scorers.pairing import pair
from pytest_metaprompt.suites import Json

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]
"""A value as `json.loads` gives it."""

DEEPEST = 100
"""How many levels a value may be nested."""

_MOST_DIGITS = 4000  # Python refuses to read whole numbers of more than 4300 digits.
_JSON_START = re.compile(r"[{\[]")


class NotJsonError(ValueError):
    """The text is not JSON; the message says why, fit for a reason."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What counts as the same: numbers up to `tolerance` apart, lists in the same order or in any."""

    tolerance: float = 0.0
    any_order: bool = False


STRICT = Rules()


def parse(text: str) -> Plain:
    """The value of a JSON text, as `JSON.parse` reads it: of a repeated key the last value counts.

    Raises:
        NotJsonError: It is not JSON; NaN and infinities are not, nor is JSON in a code fence or amid other text.
    """
    try:
        value: Plain = _DECODER.decode(text)
    except RecursionError:
        raise NotJsonError(f"it is nested more than {DEEPEST} levels deep") from None
    except ValueError as error:
        raise NotJsonError(_why_not(text, error)) from None
    if _too_deep(value):
        raise NotJsonError(f"it is nested more than {DEEPEST} levels deep")
    return value


def parse_start(text: str, start: int) -> tuple[Plain, int]:
    """The JSON value that begins at `start`, and where it ends; what follows it may be anything.

    Raises:
        NotJsonError: None begins there.
    """
    try:
        found: tuple[Plain, int] = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError) as error:
        raise NotJsonError(str(error)) from None
    if _too_deep(found[0]):
        raise NotJsonError(f"it is nested more than {DEEPEST} levels deep")
    return found


def plain(value: Json) -> Plain:
    """A copy of the value made of dicts and lists only, safe to hand to code that may change it."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value]


def as_json(value: object) -> Plain:
    """What the user's code returned, as JSON has it; keys become texts.

    Raises:
        NotJsonError: JSON cannot hold it.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    raise NotJsonError(f"a {type(value).__name__}, which is neither a text nor JSON")


def is_finite(value: Plain) -> bool:
    """Whether JSON can hold the value, that is, whether no NaN or infinity is in it."""
    if isinstance(value, dict):
        return all(is_finite(item) for item in value.values())
    if isinstance(value, list):
        return all(is_finite(item) for item in value)
    return not isinstance(value, float) or math.isfinite(value)


def same(expected: Plain, actual: Plain, rules: Rules = STRICT) -> bool:
    """Whether both are the same JSON value. Numbers compare by value, exactly: 198 is 198.0, True is not 1."""
    if isinstance(expected, dict):
        return (
            isinstance(actual, dict)
            and expected.keys() == actual.keys()
            and all(same(item, actual[key], rules) for key, item in expected.items())
        )
    if isinstance(expected, list):
        return isinstance(actual, list) and len(expected) == len(actual) and _same_items(expected, actual, rules)
    if isinstance(expected, str):
        return isinstance(actual, str) and expected == actual
    if expected is None or isinstance(expected, bool):
        return expected is actual
    if isinstance(actual, bool) or not isinstance(actual, int | float):
        return False
    return expected == actual or _near(expected, actual, rules.tolerance)


def partners(expected: list[Plain], actual: list[Plain], rules: Rules) -> dict[int, int]:
    """For as many items of `expected` as possible, the place of the same item in `actual`, each used once."""
    if not rules.any_order:
        return {place: place for place in range(min(len(expected), len(actual)))}
    fitting = [[place for place, item in enumerate(actual) if same(wanted, item, rules)] for wanted in expected]
    return pair(fitting)


def _same_items(expected: list[Plain], actual: list[Plain], rules: Rules) -> bool:
    if rules.any_order:
        return len(partners(expected, actual, rules)) == len(expected)
    return all(same(one, other, rules) for one, other in zip(expected, actual, strict=True))


def _near(one: float, other: float, tolerance: float) -> bool:
    if not tolerance or not is_finite(one) or not is_finite(other):
        return False
    # By their decimal digits, so that 1.1 is no further than 0.1 from 1.0.
    return abs(Fraction(repr(one)) - Fraction(repr(other))) <= Fraction(repr(tolerance))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _whole_number(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits is too large")
    return int(digits)


def _fraction(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"the number {digits:.20} is too large")
    return number


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=_whole_number, parse_float=_fraction)


def _why_not(text: str, error: ValueError) -> str:
    if not text.strip():
        return "the reply is empty"
    if text.lstrip().startswith("```"):
        return "it is fenced: the JSON stands inside a ``` code fence"
    if _has_json_inside(text):
        return f"there is text around the JSON: {excerpt(text)}"
    if isinstance(error, json.JSONDecodeError):
        where = f"line {error.lineno} column {error.colno}"
        return f"{error.msg} at {where}, got {excerpt(text, near=error.pos)}"
    return f"{error}, got {excerpt(text)}"


def _has_json_inside(text: str) -> bool:
    start = _JSON_START.search(text)
    try:
        return start is not None and bool(parse_start(text, start.start()))
    except NotJsonError:
        return False


def _too_deep(value: Plain) -> bool:
    level: list[Plain] = [value]
    for _ in range(DEEPEST + 1):
        level = [item for outer in level for item in _items(outer)]
        if not level:
            return False
    return True


def _items(value: Plain) -> list[Plain]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
