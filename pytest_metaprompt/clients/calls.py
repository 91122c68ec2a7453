"""What every client does before and after a call: its parameters, its messages, its time, its last words."""

from __future__ import annotations

from pytest_metaprompt.errors import SetupError
from pytest_metaprompt.results import Request
from pytest_metaprompt.suites import Json

TIMEOUT_KEY = "timeout_s"
"""Our own key among the parameters: how long a whole call may take. It is never sent."""

_SHOWN_CHARACTERS = 200


def sent_params(request: Request) -> dict[str, Json]:
    """The parameters a provider gets: those of the model, overridden by those of the request."""
    params = {**request.model.params, **request.params}
    params.pop(TIMEOUT_KEY, None)
    return params


def sent_messages(request: Request) -> list[dict[str, Json]]:
    """The messages as the Chat Completions format writes them."""
    return [{"role": message.role, "content": message.content, **message.extra} for message in request.messages]


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


def one_line(text: str) -> str:
    """The beginning of a text, short enough for a message."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_CHARACTERS else line[: _SHOWN_CHARACTERS - 1] + "…"
