"""What every client does before and after a call: its parameters, its messages, its time, its last words."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from pytest_metaprompt.errors import SetupError
from pytest_metaprompt.results import Request
from pytest_metaprompt.suites import Json

TIMEOUT_KEY = "timeout_s"
"""How long a whole call may take."""

RETRIES_KEY = "max_retries"
"""How often a call that failed is made again."""

CALLS_KEY = "calls_per_minute"
"""How many calls may begin in any minute."""

TOKENS_KEY = "tokens_per_minute"
"""How many tokens, in and out, the calls of any minute may use."""

OWN_KEYS = (TIMEOUT_KEY, RETRIES_KEY, CALLS_KEY, TOKENS_KEY)
"""Our own keys among the parameters of a model. They are never sent, and a reply does not depend on them."""

_SHOWN_CHARACTERS = 200


class CancelledCallError(asyncio.CancelledError):
    """A call was cancelled after it was `made` so many times; 0 when it still waited for its turn."""

    def __init__(self, *, made: int) -> None:
        super().__init__()
        self.made = made


def sent_params(request: Request) -> dict[str, Json]:
    """The parameters a provider gets: those of the model, overridden by those of the request."""
    params = {**request.model.params, **request.params}
    for key in OWN_KEYS:
        params.pop(key, None)
    return params


def sent_messages(request: Request) -> list[dict[str, Json]]:
    """The messages as the Chat Completions format writes them."""
    return [message.in_chat for message in request.messages]


def time_limit(request: Request, *, default: float | None) -> float | None:
    """How many seconds the whole call may take; None is for ever.

    Raises:
        SetupError: `timeout_s` is not a positive number.
    """
    limit = {**request.model.params, **request.params}.get(TIMEOUT_KEY, default)
    if limit is None:
        return None
    if isinstance(limit, bool) or not isinstance(limit, int | float) or not limit > 0:
        raise SetupError(f"{TIMEOUT_KEY} must be a positive number of seconds, not {limit!r}")
    return float(limit)


def whole_number(params: Mapping[str, Json], key: str, *, least: int) -> int | None:
    """One of our own keys that counts something; None where it is not set.

    Raises:
        SetupError: It is no whole number of `least` or more.
    """
    value = params.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise SetupError(f"{key} must be a whole number of {least} or more, not {value!r}")
    return value


def one_line(text: str) -> str:
    """The beginning of a text, short enough for a message."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_CHARACTERS else line[: _SHOWN_CHARACTERS - 1] + "…"
