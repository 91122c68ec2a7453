"""A few words of what a case says, for the id of a case that has none."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping

from pytest_metaprompt.suites import Json, Message

_LOOKED_AT = 200
_LONGEST = 32
_WORD = re.compile(r"[^\W_]+")


def slug_of(said: str | None, messages: tuple[Message, ...], values: Mapping[str, Json]) -> str:
    """The first words of the input, else of the last message, else of the first text among the vars, as `first-words`.

    Nothing of a case's place is in it, so that an id stays where its case is moved. Empty if there is no word.
    """
    return next((slug for text in _texts(said, messages, values) if (slug := _slug(text))), "")


def _texts(said: str | None, messages: tuple[Message, ...], values: Mapping[str, Json]) -> Iterator[str]:
    if said is not None:
        yield said
    yield from (message.content for message in reversed(messages) if message.content)
    yield from (value for value in values.values() if isinstance(value, str))


def _slug(text: str) -> str:
    words = _WORD.findall(unicodedata.normalize("NFC", text[:_LOOKED_AT]).lower())
    slug = ""
    for word in words:
        longer = f"{slug}-{word}" if slug else word[:_LONGEST]
        if len(longer) > _LONGEST:
            break
        slug = longer
    return slug
