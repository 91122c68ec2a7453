"""Texts and values as they stand in a reason: in quotes, on one line, and short."""

from __future__ import annotations

import json
from collections.abc import Iterable
from enum import Enum

from pytest_metaprompt.results import Reply

WIDTH = 120
MOST = 5


def excerpt(text: str, *, near: int = 0, width: int = WIDTH) -> str:
    """The text in quotes, cut to about `width` characters around the position `near`."""
    start = max(0, min(near - width // 3, len(text) - width))
    cut = text[start : start + width]
    return ("…" if start else "") + repr(cut) + ("…" if start + width < len(text) else "")


def excerpt_json(value: object, *, width: int = WIDTH) -> str:
    """The value as JSON on one line, cut at its end to `width` characters."""
    text = value.name.lower() if isinstance(value, Enum) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= width else text[:width] + "…"


def excerpt_reply(reply: Reply, *, near: int = 0) -> str:
    """What the reply says, shortened; a reply of tool calls alone is described as that."""
    if reply.text or not reply.tool_calls:
        return excerpt(reply.text, near=near)
    return f"no text, but {call_names(reply)}"


def call_names(reply: Reply) -> str:
    """The tool calls of the reply by name, such as `a call of 'refund'`."""
    names = few([repr(call.name) for call in reply.tool_calls], between=", ")
    return f"a call of {names}" if len(reply.tool_calls) == 1 else f"calls of {names}"


def few(lines: Iterable[str], *, between: str = "; ") -> str:
    """The first lines joined, with the number of those left out."""
    every = list(lines)
    rest = len(every) - MOST
    return between.join(every[:MOST]) + (f"{between}and {rest} more" if rest > 0 else "")
