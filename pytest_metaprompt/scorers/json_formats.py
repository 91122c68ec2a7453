"""The formats of JSON Schema that the package `jsonschema` leaves unchecked, or nearly so, without further packages."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jsonschema import FormatChecker

_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_ATOM = "[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_EMAIL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+{_LABEL}", re.IGNORECASE)
_HOSTNAME = re.compile(rf"(?=.{{1,253}}\.?\Z){_LABEL}(?:\.{_LABEL})*\.?", re.IGNORECASE)
_URI = re.compile(r"[a-z][a-z0-9+.-]*:[^\s<>\"{}|\\^`]+", re.IGNORECASE)
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)")


def checker_of_formats(known: FormatChecker) -> FormatChecker:
    """A checker of the known formats, and of e-mail addresses, host names, URIs and times as RFC 3339 has them."""
    from jsonschema import FormatChecker

    checker = FormatChecker()
    checker.checkers = {**known.checkers, **{name: (check, ()) for name, check in _CHECKS.items()}}
    return checker


def _matches(pattern: re.Pattern[str]) -> Callable[[object], bool]:
    return lambda value: not isinstance(value, str) or pattern.fullmatch(value) is not None


def _is_date_time(value: object) -> bool:
    if not isinstance(value, str):
        return True
    if not _DATE_TIME.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value[:19])
    except ValueError:
        return False
    return True


def _is_time(value: object) -> bool:
    return not isinstance(value, str) or _is_date_time(f"2000-01-01T{value}")


_CHECKS: dict[str, Callable[[object], bool]] = {
    "email": _matches(_EMAIL),
    "hostname": _matches(_HOSTNAME),
    "uri": _matches(_URI),
    "date-time": _is_date_time,
    "time": _is_time,
}
