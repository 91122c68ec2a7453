"""JSON text as a tree that knows where each value stands, and one text in it replaced."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pytest_metaprompt.embedded.escapes import Unit, respell
from pytest_metaprompt.errors import RoutineError
from pytest_metaprompt.suites import Json, Keys

_MAX_DEPTH = 100
_SPACE = re.compile(r"[ \t\n\r]*")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_ATOM = re.compile(r"[^\s,\]}]+")
_UNIT = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u.{4}|\\.|.")


@dataclass(frozen=True, slots=True)
class JsonNode:
    """A value and where it stands. An object's children are its keys and values in turn."""

    kind: Literal["text", "list", "mapping", "other"]
    start: int
    end: int
    value: str = ""
    children: tuple[JsonNode, ...] = ()

    def get(self, key: str) -> JsonNode | None:
        """The value under a key; the last one where it is given twice, as every reader has it."""
        pairs = zip(self.children[::2], self.children[1::2], strict=True) if self.kind == "mapping" else ()
        return next((value for name, value in reversed([*pairs]) if name.value == key), None)


def read_nodes(text: str) -> JsonNode:
    """The tree of a JSON text.

    Raises:
        RoutineError: It is no JSON, or nested too deep.
    """
    _loaded(text)
    return _Scanner(text).value(_SPACE.match(text, 0).end(), 0)  # type: ignore[union-attr]  # it matches anything


def find_node(root: JsonNode, keys: Keys) -> JsonNode:
    """The value at the end of a way of keys.

    Raises:
        RoutineError: The way leads nowhere.
    """
    node: JsonNode | None = root
    for depth, key in enumerate(keys):
        if node is not None and node.kind == "list" and isinstance(key, int):
            node = node.children[key] if 0 <= key < len(node.children) else None
        else:
            node = node.get(str(key)) if node is not None else None
        if node is None:
            raise RoutineError(f"there is no {'.'.join(map(str, keys[: depth + 1]))} in it")
    return root if node is None else node


def read_string(text: str, keys: Keys) -> str:
    """The text at the end of a way of keys.

    Raises:
        RoutineError: The file is no JSON, or there is no text.
    """
    return _checked(find_node(read_nodes(text), keys), keys).value


def replace_string(text: str, keys: Keys, new: str) -> str:
    """The file with one text replaced; what did not change of it keeps its escapes.

    Raises:
        RoutineError: There is no text.
    """
    node = _checked(find_node(read_nodes(text), keys), keys)
    changed = text[: node.start] + respelled(text[node.start : node.end], new) + text[node.end :]
    if _loaded(changed) != _put(_loaded(text), keys, new):
        raise RoutineError("the new text cannot be written into the JSON")
    return changed


def respelled(written: str, new: str) -> str:
    """A JSON string for a new text that keeps the spelling of what did not change."""
    units = [Unit(unit, json.loads(f'"{unit}"') if unit[0] == "\\" else unit) for unit in _UNIT.findall(written[1:-1])]
    ascii_only = "\\u" in written and written.isascii()
    return '"' + respell(units, new, lambda part: json.dumps(part, ensure_ascii=ascii_only)[1:-1]) + '"'


def _checked(node: JsonNode, keys: Keys) -> JsonNode:
    if node.kind != "text":
        raise RoutineError(f"{'.'.join(map(str, keys)) or 'the top'} must be a text")
    return node


def _loaded(text: str) -> Json:
    try:
        # Numbers stay the digits that they are: nothing may change, not even 1.0 to 1.
        value: Json = json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise RoutineError(f"not valid JSON: {error}") from None
    return value


def _put(value: Json, keys: Keys, new: str) -> Json:
    if not keys:
        return new
    key, rest = keys[0], keys[1:]
    if isinstance(value, dict):
        return {**value, str(key): _put(value[str(key)], rest, new)}
    if isinstance(value, list) and isinstance(key, int):
        return [_put(item, rest, new) if at == key else item for at, item in enumerate(value)]
    raise RoutineError(f"there is no {key} in it")


@dataclass(frozen=True, slots=True)
class _Scanner:
    """Walks through a text that is known to be JSON."""

    text: str

    def value(self, at: int, depth: int) -> JsonNode:
        if depth > _MAX_DEPTH:
            raise RoutineError(f"nested more than {_MAX_DEPTH} levels deep")
        first = self.text[at]
        if first == '"':
            found = _STRING.match(self.text, at)
            end = found.end() if found else at
            return JsonNode("text", at, end, json.loads(self.text[at:end]))
        if first in "[{":
            return self._collection(at, depth, "list" if first == "[" else "mapping")
        atom = _ATOM.match(self.text, at)
        return JsonNode("other", at, atom.end() if atom else at)

    def _collection(self, start: int, depth: int, kind: Literal["list", "mapping"]) -> JsonNode:
        children: list[JsonNode] = []
        at = self._skip(start + 1, "")
        while self.text[at] not in "]}":
            children.append(self.value(at, depth + 1))
            at = self._skip(children[-1].end, ",:")
        return JsonNode(kind, start, at + 1, children=tuple(children))

    def _skip(self, at: int, marks: Sequence[str]) -> int:
        while self.text[at].isspace() or self.text[at] in marks:
            at += 1
        return at
