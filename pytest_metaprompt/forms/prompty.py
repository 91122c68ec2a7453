"""`.prompty`, a strict subset: frontmatter, then `system:`, `user:` and `assistant:` alone at column 0."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pytest_metaprompt.errors import Place, RoutineError
from pytest_metaprompt.forms.parts import Part, Said, place_in

_FRONTMATTER = re.compile(r"\A---[ \t]*\n(?P<yaml>.*?)^---[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_ROLE = re.compile(r"^(system|user|assistant):[ \t]*$", re.MULTILINE)
_CONTROL = re.compile(r"\{%.*?%\}", re.DOTALL)


def parse_prompty(text: str, *, name: str) -> tuple[Part, ...]:
    """The messages of a `.prompty` text.

    Raises:
        RoutineError: It is none; the message says where and why.
    """
    front = _FRONTMATTER.match(text)
    if front is None:
        raise RoutineError(
            "a .prompty file begins with frontmatter", where=Place(name, 1), hint="put --- before and after it"
        )
    _check_frontmatter(front["yaml"], name=name)
    control = _CONTROL.search(text, front.end())
    if control:
        raise RoutineError(
            f"{control[0]} is not supported",
            where=place_in(name, text, control.start()),
            hint="only plain {{name}} placeholders are filled in",
        )
    headers = list(_ROLE.finditer(text, front.end()))
    lead = text[front.end() : headers[0].start() if headers else len(text)]
    if not headers or lead.strip():
        raise RoutineError(
            "text before the first message" if headers else "no message",
            where=place_in(name, text, front.end() + len(lead) - len(lead.lstrip())),
            hint="system:, user: or assistant: stands alone on a line before each message",
        )
    ends = [header.start() for header in headers[1:]] + [len(text)]
    return tuple(_part(text, header, end) for header, end in zip(headers, ends, strict=True))


def insert_prompty(text: str, parts: Sequence[Part], at: int, said: Sequence[Said]) -> str:
    """The text with messages put before one of its messages, spaced as it is."""
    header = parts[at].header
    gap = "\n" if at == 0 or text[:header].endswith("\n\n") else ""
    block = "".join(f"{role}:\n{words}\n{gap}" for role, words in said)
    return text[:header] + block + text[header:]


def _part(text: str, header: re.Match[str], end: int) -> Part:
    body = text[header.end() : end]
    start = header.end() + len(body) - len(body.lstrip()) if body.strip() else min(header.end() + 1, end)
    return Part(header[1], body.strip(), header.start(), start, start + len(body.strip()))


def _check_frontmatter(front: str, *, name: str) -> None:
    import yaml

    try:
        value = yaml.safe_load(front)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 2 if mark is not None else 1
        raise RoutineError(
            f"the frontmatter is not YAML: {getattr(error, 'problem', error)}", where=Place(name, line)
        ) from None
    if value is not None and not isinstance(value, dict):
        raise RoutineError("the frontmatter must be a mapping", where=Place(name, 2))
