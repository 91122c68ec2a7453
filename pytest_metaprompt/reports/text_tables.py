"""Tables and sentences in plain text, for a terminal of a given width, so that no line of ours is broken by it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

_GAP = "  "
_INDENT = "  "
_LEAST = 20
_WORD = re.compile(r"\s*\S+")


def table_lines(rows: Sequence[Sequence[str]], *, names: int, width: int | None) -> Iterator[str]:
    """The rows in aligned columns; the first row is the heading, None is for any width.

    Rows that are too wide are stacked: the first `names` columns on a line of their own, the others below them, on as
    many lines as they need. A name that is wider than the line loses its beginning.
    """
    groups = [range(len(rows[0]))] if width is None or _wide(rows) <= width else _stack(rows, names, width)
    for row in rows:
        for number, group in enumerate(groups):
            cells = [_padded(row[column], max(columns_of(one[column]) for one in rows)) for column in group]
            line = ("" if number == 0 else _INDENT) + _GAP.join(cells).rstrip()
            yield line if width is None else cut_start(line, width)


def _wide(rows: Sequence[Sequence[str]]) -> int:
    return sum(max(map(columns_of, column)) for column in zip(*rows, strict=True)) + len(_GAP) * (len(rows[0]) - 1)


def _stack(rows: Sequence[Sequence[str]], names: int, width: int) -> list[range]:
    """The columns of each line: the names together if they fit, then what fits beside each other."""
    wide = [max(map(columns_of, column)) for column in zip(*rows, strict=True)]
    if sum(wide[:names]) + len(_GAP) * (names - 1) > width:
        names = 1
    groups: list[range] = []
    start, used = 0, 0
    for column, own in enumerate(wide):
        needed = used + len(_GAP) + own
        if column > start and (needed > width or column == names):
            groups.append(range(start, column))
            start, needed = column, len(_INDENT) + own
        used = needed if column > 0 else own
    return [*groups, range(start, len(wide))]


def columns_of(text: str) -> int:
    """How many columns the text takes: letters of East Asia and emoji take two, accents none."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(letter: str) -> int:
    if unicodedata.category(letter) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "FW" else 1


def cut_start(text: str, width: int) -> str:
    """The text, without its beginning if it is too wide: the end of a path tells more."""
    return text if columns_of(text) <= width else f"...{_first(text[::-1], max(width, _LEAST) - 3)[::-1]}"


def cut_end(text: str, width: int) -> str:
    """The text, without its end if it is too wide."""
    return text if columns_of(text) <= width else f"{_first(text, max(width, _LEAST) - 3)}..."


def _first(text: str, width: int) -> str:
    """As much of the text's beginning as the columns hold."""
    used = 0
    for at, letter in enumerate(text):
        used += columns_of(letter)
        if used > width:
            return text[:at]
    return text


def _padded(text: str, width: int) -> str:
    return text + " " * (width - columns_of(text))


def sentence_lines(text: str, width: int | None, *, indent: str = _INDENT) -> list[str]:
    """The text, broken between words where it is too wide; a word that is too wide, such as a path, stays whole."""
    if width is None or columns_of(text) <= width:
        return [text]
    lines, line = [], ""
    for word in _WORD.findall(text.replace("\n", " ")):
        if line and columns_of(line + word) > width:
            lines.append(line)
            line = indent + word.lstrip()
        else:
            line += word
    return [*lines, line]
