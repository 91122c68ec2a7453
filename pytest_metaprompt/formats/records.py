"""Data sets in JSON, JSON Lines and YAML: their rows are mappings that know their lines, or every fault of the file."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_metaprompt.errors import MetapromptError, Place, SuiteFileError
from pytest_metaprompt.files import read_text
from pytest_metaprompt.formats.marked import marked, read_marked
from pytest_metaprompt.formats.rows import Row, raise_if_any
from pytest_metaprompt.formats.wording import shown as shown_value
from pytest_metaprompt.suites import Json

_WHITE = " \t\n\r"
_CONSTANT = re.compile(r'"(?:[^"\\]|\\.)*"|(?P<name>NaN|-?Infinity)')


@dataclass(frozen=True, slots=True)
class _Item:
    """What stands where a row should."""

    value: Json
    line: int


def read_json_lines(path: Path, *, shown: str) -> tuple[Row, ...]:
    """The rows of a JSON Lines file, one mapping a line; blank lines are skipped.

    Raises:
        SuiteFileError: With the line and column of what is no JSON, and the line of what is no mapping.
        MetapromptError: The file may not be read.
    """
    problems: list[MetapromptError] = []
    items: list[_Item] = []
    # Not `splitlines`: a JSON text may hold U+2028 and its like, which are no line ends here.
    for line, text in enumerate(read_text(path).text.split("\n"), start=1):
        if text.strip():
            try:
                items.append(_Item(_DECODER.decode(text), line))
            except (ValueError, RecursionError) as error:
                problems.append(_no_json(error, shown, line, text))
    raise_if_any(problems)
    return _rows(items, shown)


def read_json(path: Path, key: str | None, *, shown: str) -> tuple[Row, ...]:
    """The rows of a JSON file: a list of mappings, or the list that `key` leads to, as `data.rows` does.

    Raises:
        SuiteFileError: It is no JSON, there is no such list, or something in it is no mapping.
        MetapromptError: The file may not be read.
    """
    text = read_text(path).text
    steps = _steps(parse_json(text, shown=shown), key, shown)
    return _rows(_Scan(text).items(steps), shown)


def parse_json(text: str, *, shown: str) -> Json:
    """The value of a JSON text.

    Raises:
        SuiteFileError: It is no JSON; the error knows the line and the column.
    """
    try:
        value: Json = _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise SuiteFileError([_no_json(error, shown, 1, text)]) from None
    return value


def parse_yaml(text: str, *, shown: str) -> Json:
    """The value of a YAML text (1.2: `Yes` and `on` are texts).

    Raises:
        SuiteFileError: It is no YAML, or holds what is surely a slip, such as a duplicate key.
    """
    document = read_marked(text, shown)
    if document.problems:
        raise SuiteFileError(document.problems)
    return document.root.plain()


def read_yaml(path: Path, key: str | None, *, shown: str) -> tuple[Row, ...]:
    """The rows of a YAML file: a list of mappings, or the list that `key` leads to, as `data.rows` does.

    Raises:
        SuiteFileError: It is no YAML, there is no such list, or something in it is no mapping.
        MetapromptError: The file may not be read.
    """
    document = read_marked(read_text(path).text, shown)
    raise_if_any(document.problems)
    node = document.root
    for step in _steps(node.plain(), key, shown):
        node = node.mapping()[step]
    return _rows([_Item(item.plain(), item.line) for item in node.items()], shown)


def _rows(items: Iterable[_Item], shown: str) -> tuple[Row, ...]:
    found = list(items)
    if not found:
        raise SuiteFileError([MetapromptError("there is no row in the file", where=Place(shown))])
    raise_if_any(_no_mapping(item, shown) for item in found if not (isinstance(item.value, dict) and item.value))
    return tuple(Row(item.value, item.line) for item in found if isinstance(item.value, dict))


def _steps(top: Json, key: str | None, shown: str) -> tuple[str, ...]:
    """The keys that lead to the list of rows, one after the other; a key may hold dots itself."""
    steps: list[str] = []
    rest = key
    while rest and isinstance(top, dict):
        step = max((key for key in top if f"{rest}.".startswith(f"{key}.")), key=len, default=None)
        if step is None:
            break
        steps.append(step)
        top, rest = top[step], rest[len(step) + 1 :]
    if rest:
        raise _no_rows(f"there is no {key!r} in the file", top, steps, shown)
    if not isinstance(top, list):
        what = f"{key!r} in the file" if key else "the file"
        raise _no_rows(f"{what} holds {_kind(top)}, not a list of rows", top, steps, shown)
    return tuple(steps)


def _no_rows(message: str, top: Json, steps: list[str], shown: str) -> SuiteFileError:
    lists = [key for key, value in top.items() if isinstance(value, list)] if isinstance(top, dict) else []
    hint = f"add  key: {'.'.join([*steps, lists[0]])}  beside dataset" if lists else "a data set is a list of mappings"
    return SuiteFileError([MetapromptError(message, where=Place(shown), hint=hint)])


def _no_mapping(item: _Item, shown: str) -> MetapromptError:
    message = "the row is an empty mapping" if item.value == {} else f"a row must be a mapping, not {_kind(item.value)}"
    return MetapromptError(message, where=Place(shown, item.line), hint='such as {"question": "...", "answer": "..."}')


def _kind(value: Json) -> str:
    return shown_value(marked(value, 1))


def _no_json(error: ValueError | RecursionError, shown: str, line: int, text: str) -> MetapromptError:
    if not isinstance(error, json.JSONDecodeError):
        at = next((found.start() for found in _CONSTANT.finditer(text) if found["name"]), None)
        if at is None or isinstance(error, RecursionError):
            return MetapromptError(f"not valid JSON: {error}", where=Place(shown, line))
        error = json.JSONDecodeError(str(error), text, at)
    where = Place(shown, line + error.lineno - 1)
    return MetapromptError(f"not valid JSON: {error.msg} at column {error.colno}", where=where, hint=_json_hint(error))


def _json_hint(error: json.JSONDecodeError) -> str | None:
    if error.msg == "Extra data":
        return "a .jsonl file holds one value a line, a .json file one value in all"
    rest = error.doc[error.pos : error.pos + 1]
    return "JSON has double quotes only" if rest == "'" else None


def _refuse_constant(name: str) -> Json:
    raise ValueError(f"{name} is a number that JSON cannot hold")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


class _Scan:
    """Walks through a valid JSON text and knows the line of each item of one list in it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._ends = [match.start() for match in re.finditer("\n", text)]
        self._decode: Callable[[str, int], tuple[Json, int]] = _DECODER.raw_decode

    def items(self, steps: Iterable[str]) -> Iterator[_Item]:
        """The items of the list that the keys lead to."""
        at = self._skip(0)
        for step in steps:
            at = self._value_of(step, at)
        at = self._skip(at + 1)
        while self._text[at] != "]":
            value, end = self._decode(self._text, at)
            yield _Item(value, bisect_right(self._ends, at) + 1)
            at = self._skip(end)

    def _value_of(self, step: str, at: int) -> int:
        """Where the value of a key begins in the mapping that begins at a place; of the same key twice, the last."""
        found = at
        at = self._skip(at + 1)
        while self._text[at] != "}":
            key, end = self._decode(self._text, at)
            start = self._skip(end)
            if key == step:
                found = start
            at = self._skip(self._decode(self._text, start)[1])
        return found

    def _skip(self, at: int) -> int:
        """Past white space and the marks between values, all of which are known to be in their places."""
        while self._text[at : at + 1] and self._text[at] in _WHITE + ",:":
            at += 1
        return at
