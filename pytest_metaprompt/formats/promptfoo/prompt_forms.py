"""Whether the text of a prompt is a list of chat messages."""

from __future__ import annotations

import json

from pytest_metaprompt.suites import Form

_ROLES = ("system", "developer", "user", "assistant", "tool")


def form_of(text: str) -> Form:
    """How the text of a prompt is read: a list of messages in JSON, or else one message of the user's."""
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return "user"
    return "messages-json" if _is_messages(parsed) else "user"


def _is_messages(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, dict) and one.get("role") in _ROLES for one in value)
        and all(isinstance(one.get("content"), str) and one["content"] for one in value)
    )
