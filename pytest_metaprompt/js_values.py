"""Values as JavaScript treats them: what they print, what JSON they are, whether they hold, whether they are equal."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal

from pytest_metaprompt.suites import Json

MAX_SAFE = 2**53
"""Up to here JavaScript holds every whole number."""


def js_number(value: int | float) -> int | float:
    """The number that JavaScript holds: every number is a double, and 1.0 is the same as 1."""
    if isinstance(value, bool) or (isinstance(value, int) and -MAX_SAFE <= value <= MAX_SAFE):
        return value
    try:
        double = float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    whole = math.isfinite(double) and double.is_integer() and abs(double) < 1e21
    return int(double) if whole else double


def js_value(value: Json) -> Json:
    """The value with every number in it as JavaScript holds it."""
    if isinstance(value, Mapping):
        return {key: js_value(child) for key, child in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [js_value(child) for child in value]
    return js_number(value) if isinstance(value, int | float) else value


def js_text(value: object) -> str:
    """What JavaScript's `String(value)` gives: 1.0 is `1`, null is `null`, lists join with commas."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number_text(value)
    if isinstance(value, Mapping):
        return "[object Object]"
    if isinstance(value, Sequence):
        return ",".join("" if item is None else js_text(item) for item in value)
    return str(value)


def number_text(value: int | float) -> str:
    """A number as JavaScript writes it."""
    number = js_number(value)
    if isinstance(number, int):
        return _whole_text(number)
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
    if 1e-6 <= abs(number) < 1e21:
        return format(Decimal(repr(number)), "f")
    digits, _, exponent = repr(number).partition("e")
    return f"{digits.removesuffix('.0')}e{int(exponent):+d}"


def js_json(value: Json, *, indent: int | None = None) -> str:
    """What `JSON.stringify(value, null, indent)` gives: compact without an indent, null for what JSON cannot hold."""
    separators = (",", ": ") if indent else (",", ":")
    return json.dumps(_writable(value), ensure_ascii=False, indent=indent or None, separators=separators)


def js_truthy(value: object) -> bool:
    """Whether JavaScript takes the value for true: an empty list or mapping is."""
    if value is None or value is False or value == "":
        return False
    if isinstance(value, int | float):
        return value != 0 and not math.isnan(value)
    return isinstance(value, str | Mapping | Sequence) or bool(value)


def js_equal(left: object, right: object) -> bool:
    """JavaScript's `==`, which takes the text `3` for the number 3."""
    if left is None or right is None:
        return left is right
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    if isinstance(left, Mapping | list | tuple):
        return left is right if isinstance(right, Mapping | list | tuple) else js_equal(js_text(left), right)
    if isinstance(right, Mapping | list | tuple):
        return js_equal(left, js_text(right))
    return as_number(left) == as_number(right)


def js_same(left: object, right: object) -> bool:
    """JavaScript's `===`."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, int | float) and isinstance(right, int | float):
        return left == right
    return left == right if isinstance(left, str) and isinstance(right, str) else left is right


def as_number(value: object) -> float:
    """What JavaScript's `Number(value)` gives; not a number where it is none."""
    if value is None:
        return 0.0
    if isinstance(value, bool | int | float):
        return float(value)
    text = js_text(value).strip()
    try:
        return float(text) if text else 0.0
    except ValueError:
        return math.nan


def _whole_text(number: int) -> str:
    if abs(number) <= MAX_SAFE:
        return str(number)
    # Only so many digits as tell it from its neighbours, then zeros.
    return format(Decimal(repr(float(number))), "f").removesuffix(".0")


def _writable(value: Json) -> Json:
    if isinstance(value, Mapping):
        return {key: _writable(child) for key, child in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_writable(child) for child in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = js_number(value)
        return int(_whole_text(number)) if isinstance(number, int) else number if math.isfinite(number) else None
    return value
