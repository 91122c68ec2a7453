"""The chats of foreign samples, and the prompt that they share."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from pytest_metaprompt.converting.drafts import as_list, as_mapping
from pytest_metaprompt.suites import Json, Message

ROLES: Mapping[str, str] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
"""The roles of foreign chats, and what they are in a routine."""
_EXAMPLE_ROLES: Mapping[str, str] = {"example_user": "user", "example_assistant": "assistant"}
_OPENS_SOMETHING = re.compile(r"\{\{|\{%|^(system|user|assistant):[ \t]*$", re.MULTILINE)


Chat = list[Message]


@dataclass(frozen=True, slots=True)
class SharedPrompt:
    """Messages with `{{name}}` where samples differ, and the template that takes the values out of `input`."""

    messages: tuple[Message, ...]
    template: Mapping[str, Json]


def read_chat(value: Json) -> Chat:
    """The messages of a sample; a text is one of the user. Empty where there is none to be read."""
    if isinstance(value, str):
        return [Message("user", value)] if value else []
    messages = [_message(as_mapping(item)) for item in as_list(value)]
    return [message for message in messages if message] if all(messages) else []


def _message(item: Mapping[str, Json]) -> Message | None:
    role, content, name = item.get("role"), item.get("content"), item.get("name")
    if not isinstance(content, str) or not isinstance(role, str) or role not in ROLES:
        return None
    extra = {key: value for key, value in item.items() if key not in ("role", "content")}
    if isinstance(name, str) and name in _EXAMPLE_ROLES:
        # How worked examples were once marked: system messages with these two names.
        return Message(_EXAMPLE_ROLES[name], content)
    return Message(ROLES[role], content, extra)


def prompt_of(chats: Sequence[Chat]) -> SharedPrompt | None:
    """The prompt of chats of one shape: what all of them say stays, what differs becomes a placeholder, as does the
    last message, always. None where the shapes differ."""
    shapes = {tuple(message.role for message in chat) for chat in chats}
    if len(shapes) > 1 or any(message.extra for chat in chats for message in chat):
        return None
    last = len(chats[0]) - 1
    messages, moved = [], {}
    for index, (first, *others) in enumerate(zip(*chats, strict=True)):
        text = first.content
        if index < last and _is_constant(text) and all(other.content == text for other in others):
            messages.append(first)
            continue
        name = "input" if index == last else f"{first.role}_{index + 1}"
        moved[name] = f"{{{{input.{index}.content}}}}"
        messages.append(replace(first, content=f"{{{{{name}}}}}"))
    more = {name: value for name, value in moved.items() if name != "input"}
    return SharedPrompt(tuple(messages), {"input": moved["input"], **({"vars": more} if more else {})})


def common_prefix(chats: Sequence[Chat]) -> list[Message]:
    """The messages that all chats begin with, less the last message of the shortest."""
    shortest = min(len(chat) for chat in chats) - 1
    columns = zip(*(chat[:shortest] for chat in chats), strict=True)
    same = [column[0] for column in takewhile(lambda column: all(one == column[0] for one in column), columns)]
    return [message for message in same if _is_constant(message.content) and not message.extra]


def _is_constant(text: str) -> bool:
    return bool(text.strip()) and not _OPENS_SOMETHING.search(text)
