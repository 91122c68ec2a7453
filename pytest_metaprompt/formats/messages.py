"""The chat messages of a case, as its suite lists them or as a cell of its row holds them."""

from __future__ import annotations

import json
from collections.abc import Callable

from pytest_metaprompt.formats.filling import Filling
from pytest_metaprompt.formats.marked import Marked, marked
from pytest_metaprompt.formats.structure import find_message_flaws
from pytest_metaprompt.formats.wording import shortened
from pytest_metaprompt.suites import Json, Message


def read_messages(node: Marked, filling: Filling) -> tuple[Message, ...]:
    """The messages, filled. A text such as `{{conversation}}` stands for a list, or for one in JSON, which is taken as
    it is."""
    if isinstance(node.value, tuple):
        return tuple(_read_message(item, filling.text, filling.json) for item in node.value)
    held = _held(filling.json(node), node.text(), filling)
    return tuple(_read_message(item, Marked.text, Marked.plain) for item in held)


def _held(value: Json, written: str, filling: Filling) -> tuple[Marked, ...]:
    try:
        messages = marked(json.loads(value) if isinstance(value, str) else value, filling.case.line or 1)
    except (ValueError, RecursionError):
        problem = f"messages must be a list in JSON, not the text {shortened(str(value))!r} of {written}"
        filling.problems.add(filling.case, problem, hint="the cell must hold [{...}, ...]")
        return ()
    flaws = find_message_flaws(messages)
    for flaw in flaws:
        filling.problems.add(filling.case, f"in the messages of {written}: {flaw.message}", hint=flaw.hint)
    return () if flaws else messages.items()


def _read_message(node: Marked, text: Callable[[Marked], str], plain: Callable[[Marked], Json]) -> Message:
    entries = node.mapping()
    content = entries.get("content", Marked(None, node.line))
    return Message(
        role=entries["role"].text(),
        content=text(content) if content.value is not None else "",
        extra={key: plain(child) for key, child in entries.items() if key not in ("role", "content")},
    )
