"""The chats of foreign samples, and the prompt that they share."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile

from pytest_metaprompt.converting.drafts import as_list, as_mapping
from pytest_metaprompt.suites import Json, Message

_ROLES: Mapping[str, str] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_EXAMPLE_ROLES: Mapping[str, str] = {"example_user": "user", "example_assistant": "assistant"}
_OPENS_SOMETHING = re.compile(r"\{\{|\{%|^(system|user|assistant):[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Turn:
    """A message of a sample. `extra` is what it holds beside role and content."""

    message: Message
    extra: Mapping[str, Json] = field(default_factory=dict)

    def plain(self) -> dict[str, Json]:
        """The message as a suite writes it."""
        return {"role": self.message.role, "content": self.message.content, **self.extra}


Chat = list[Turn]


@dataclass(frozen=True, slots=True)
class SharedPrompt:
    """Messages with `{{name}}` where samples differ, and the template that takes the values out of `input`."""

    messages: tuple[Message, ...]
    template: Mapping[str, Json]


def read_chat(value: Json) -> Chat:
    """The messages of a sample; a text is one of the user. Empty where there is none to be read."""
    if isinstance(value, str):
        return [Turn(Message("user", value))] if value else []
    turns = [_turn(as_mapping(item)) for item in as_list(value)]
    return [turn for turn in turns if turn] if all(turns) else []


def _turn(item: Mapping[str, Json]) -> Turn | None:
    role, content, name = item.get("role"), item.get("content"), item.get("name")
    if not isinstance(content, str) or not isinstance(role, str) or role not in _ROLES:
        return None
    extra = {key: value for key, value in item.items() if key not in ("role", "content")}
    if isinstance(name, str) and name in _EXAMPLE_ROLES:
        # How worked examples were once marked: system messages with these two names.
        return Turn(Message(_EXAMPLE_ROLES[name], content))
    return Turn(Message(_ROLES[role], content), extra)


def prompt_of(chats: Sequence[Chat]) -> SharedPrompt | None:
    """The prompt of chats of one shape: what all of them say stays, what differs becomes a placeholder, as does the
    last message, always. None where the shapes differ."""
    shapes = {tuple(turn.message.role for turn in chat) for chat in chats}
    if len(shapes) > 1 or any(turn.extra for chat in chats for turn in chat):
        return None
    last = len(chats[0]) - 1
    messages, moved = [], {}
    for index, turns in enumerate(zip(*chats, strict=True)):
        text = turns[0].message.content
        if index < last and _is_constant(text) and all(turn.message.content == text for turn in turns):
            messages.append(turns[0].message)
            continue
        name = "input" if index == last else f"{turns[0].message.role}_{index + 1}"
        moved[name] = f"{{{{input.{index}.content}}}}"
        messages.append(replace(turns[0].message, content=f"{{{{{name}}}}}"))
    more = {name: value for name, value in moved.items() if name != "input"}
    return SharedPrompt(tuple(messages), {"input": moved["input"], **({"vars": more} if more else {})})


def common_prefix(chats: Sequence[Chat]) -> list[Message]:
    """The messages that all chats begin with, less the last message of the shortest."""
    shortest = min(len(chat) for chat in chats) - 1
    columns = zip(*(chat[:shortest] for chat in chats), strict=True)
    same = takewhile(lambda turns: all(turn == turns[0] for turn in turns), columns)
    return [turns[0].message for turns in same if _is_constant(turns[0].message.content) and not turns[0].extra]


def _is_constant(text: str) -> bool:
    return bool(text.strip()) and not _OPENS_SOMETHING.search(text)
