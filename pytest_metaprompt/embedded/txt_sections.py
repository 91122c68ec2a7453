"""One of several texts in a plain file, kept apart by lines that hold nothing but a separator."""

from __future__ import annotations

from io import StringIO

from pytest_metaprompt.errors import RoutineError


def read_section(text: str, index: int, separator: str) -> str:
    """A section without the white space around it.

    Raises:
        RoutineError: There are not so many.
    """
    start, end = _span(text, index, separator)
    return text[start:end]


def replace_section(text: str, index: int, separator: str, new: str) -> str:
    """The file with one section replaced; the separators and the white space around every section stay.

    Raises:
        RoutineError: There is no such section, or the new text would open another one.
    """
    start, end = _span(text, index, separator)
    changed = text[:start] + new + text[end:]
    wanted = [new if at == index else one for at, one in enumerate(_sections(text, separator))]
    if _sections(changed, separator) != wanted:
        raise RoutineError(f"the new text would end the section with a line {separator!r}, or is empty")
    return changed


def _sections(text: str, separator: str) -> list[str]:
    return [text[start:end] for start, end in _spans(text, separator)]


def _span(text: str, index: int, separator: str) -> tuple[int, int]:
    spans = _spans(text, separator)
    if index >= len(spans):
        raise RoutineError(f"there is no text {index + 1}: the file has {len(spans)}")
    return spans[index]


def _spans(text: str, separator: str) -> list[tuple[int, int]]:
    spans, start, at = [], 0, 0
    for line in [*StringIO(text), separator]:
        if line.strip() == separator:
            body = text[start:at]
            if body.strip():
                first = start + len(body) - len(body.lstrip())
                spans.append((first, first + len(body.strip())))
            start = at + len(line)
        at += len(line)
    return spans
