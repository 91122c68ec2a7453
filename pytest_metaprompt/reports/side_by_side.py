"""A unified diff as two columns, laid out by the standard library's `difflib.HtmlDiff`."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from itertools import groupby, pairwise

_MOST_PAIRS = 900
"""`HtmlDiff` compares every old line with every new one, letter by letter. What has more pairs, such as a routine that
was written anew, has its old lines above its new ones."""


def side_by_side(diff: str) -> str:
    """The hunks of a unified diff as HTML tables, old text left and new text right; empty for an empty diff."""
    tables = [
        difflib.HtmlDiff(wrapcolumn=None).make_table(old, new, context=False) for old, new in _hunks(diff.splitlines())
    ]
    return "\n".join(tables).replace("&nbsp;", " ")  # The page keeps spaces, and breaks long lines at them.


def _hunks(lines: list[str]) -> Iterator[tuple[list[str], list[str]]]:
    starts = [number for number, line in enumerate(lines) if line.startswith("@@")]
    for start, end in pairwise([*starts, len(lines)]):
        body = lines[start + 1 : end]
        signs = [line[:1] for line in body]
        if signs.count("-") * signs.count("+") <= _MOST_PAIRS:
            yield _sides(body)
        else:
            yield from (_sides(list(block)) for _, block in groupby(body, key=lambda line: line[:1]))


def _sides(body: list[str]) -> tuple[list[str], list[str]]:
    return (
        [line[1:] for line in body if line[:1] in (" ", "-")],
        [line[1:] for line in body if line[:1] in (" ", "+")],
    )
