"""What servers say of their rate limits in headers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime

MAX_RESET_S = 60.0
"""A reset that is further away is not waited for: the server's 429 says what is really meant."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a limit, until the moment when it is filled up again."""

    left: int
    until: float
    per_call: int

    def less_one(self) -> Allowance:
        """What is left after one more call."""
        return replace(self, left=self.left - self.per_call)

    def wait_s(self, now: float) -> float:
        """How many seconds a call has to wait."""
        return self.until - now if self.left <= 0 else 0.0


def retry_after_s(headers: Mapping[str, str], *, date: float) -> float | None:
    """How many seconds the server asks to wait; None where it does not. `date` is the time now, since 1970.

    `retry-after-ms` is read first, then `Retry-After` in seconds or as an HTTP date (RFC 9110, 10.2.3).
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    said = headers.get("retry-after")
    if said is None:
        return None
    seconds = _number(said)
    if seconds is not None:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - date)
    except (ValueError, OverflowError):
        return None


def read_allowances(headers: Mapping[str, str], *, now: float) -> dict[str, Allowance]:
    """What `x-ratelimit-remaining-*` and `x-ratelimit-reset-*` say, as OpenAI and those who follow it send them."""
    found = {}
    for what, per_call in (("requests", 1), ("tokens", 0)):
        left = _number(headers.get(f"x-ratelimit-remaining-{what}"))
        reset_s = duration_s(headers.get(f"x-ratelimit-reset-{what}", ""))
        if left is not None and reset_s is not None and reset_s <= MAX_RESET_S:
            found[f"rate limit of {what}"] = Allowance(int(left), now + reset_s, per_call)
    return found


def duration_s(text: str) -> float | None:
    """Seconds of `20ms`, `8.64s`, `6m0s`, `1h` or a bare number; None for anything else."""
    bare = _number(text)
    if bare is not None:
        return bare
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text.strip():
        return None
    return sum(float(number) * _UNIT_S[unit] for number, unit in parts)


def _number(text: str | None) -> float | None:
    if text is None or not re.fullmatch(r"\s*\d{1,12}(\.\d{1,9})?\s*", text):
        return None
    return float(text)
