"""Tables and sentences in plain text, for a terminal of a given width, so that no line of ours is broken by it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

_GAP = "  "
_INDENT = "  "
_LEAST = 20


def table_lines(rows: Sequence[Sequence[str]], *, names: int, width: int | None) -> Iterator[str]:
    """The rows in aligned columns; the first row is the heading, None is for any width.

    Rows that are too wide are stacked: the first `names` columns on a line of their own, the others below them, on as
    many lines as they need. A name that is wider than the line loses its beginning.
    """
    groups = [range(len(rows[0]))] if width is None or _wide(rows) <= width else _stack(rows, names, width)
    for row in rows:
        for number, group in enumerate(groups):
            cells = [row[column].ljust(max(len(one[column]) for one in rows)) for column in group]
            line = ("" if number == 0 else _INDENT) + _GAP.join(cells).rstrip()
            yield line if width is None else cut_start(line, width)


def _wide(rows: Sequence[Sequence[str]]) -> int:
    return sum(max(map(len, column)) for column in zip(*rows, strict=True)) + len(_GAP) * (len(rows[0]) - 1)


def _stack(rows: Sequence[Sequence[str]], names: int, width: int) -> list[range]:
    """The columns of each line: the names together if they fit, then what fits beside each other."""
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
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


def cut_start(text: str, width: int) -> str:
    """The text, without its beginning if it is too wide: the end of a path tells more."""
    return text if len(text) <= width else f"...{text[len(text) - max(width, _LEAST) + 3 :]}"


def cut_end(text: str, width: int) -> str:
    """The text, without its end if it is too wide."""
    return text if len(text) <= width else f"{text[: max(width, _LEAST) - 3]}..."


def sentence_lines(text: str, width: int | None, *, indent: str = _INDENT) -> list[str]:
    """The text, broken between words where it is too wide; a word that is too wide, such as a path, stays whole."""
    if width is None or len(text) <= width:
        return [text]
    return textwrap.wrap(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
