"""Files of prompts: several in one text, a chat in JSON or YAML, one a line, or a table."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_metaprompt.embedded.txt_sections import read_section
from pytest_metaprompt.errors import MetapromptError, Place, RoutineError
from pytest_metaprompt.files import read_text
from pytest_metaprompt.formats.promptfoo.document import read_nodes
from pytest_metaprompt.formats.promptfoo.files import Folder
from pytest_metaprompt.formats.promptfoo.prompt_forms import form_of
from pytest_metaprompt.js_values import js_json
from pytest_metaprompt.suites import Form, RoutineRef, SectionAt

_SHORT = 50


@dataclass(frozen=True, slots=True)
class FilePrompt:
    """A prompt found in a file: promptfoo's label, and a shorter name."""

    label: str
    name: str
    short: str
    routine: RoutineRef


def read_prompt_file(folder: Folder, path: Path) -> tuple[FilePrompt, ...]:
    """The prompts in a file.

    Raises:
        MetapromptError: It cannot be read, is empty, or is of a kind that is not supported.
    """
    ending = path.suffix.lower()
    if ending not in _READERS:
        hint = f"known: {', '.join(_READERS)}, .py"
        raise MetapromptError(f"prompts cannot be read from {path.name}", where=Place(folder.shown(path)), hint=hint)
    name = os.path.relpath(path, folder.path).replace(os.sep, "/")
    found = tuple(_READERS[ending](path, name, folder))
    if not found:
        raise MetapromptError("there is no prompt in the file", where=Place(folder.shown(path)))
    return found


def _sections(path: Path, name: str, folder: Folder) -> Iterator[FilePrompt]:
    text, separator = read_text(path).text, os.environ.get("PROMPTFOO_PROMPT_SEPARATOR", "---")
    for index in range(text.count(separator) + 1):
        at = SectionAt(index, separator)
        try:
            section = read_section(text, index, separator)
        except RoutineError:
            return
        several = f"{name}#{index + 1}" if text.count(separator) else name
        yield FilePrompt(f"{name}: {section}", name, several, _routine(path, folder, at=at, form="user"))


def _whole(path: Path, name: str, folder: Folder) -> Iterator[FilePrompt]:
    text = read_text(path).text
    yield FilePrompt(f"{name}: {text[:_SHORT]}...", name, name, _routine(path, folder, form="user"))


def _json(path: Path, name: str, folder: Folder) -> Iterator[FilePrompt]:
    text = read_text(path).text
    form = form_of(text)
    try:
        minified = js_json(json.loads(text))
    except (ValueError, RecursionError):
        yield FilePrompt(f"{name}: {text[:_SHORT]}...", name, name, _routine(path, folder, form="user"))
        return
    inline = None if form == "messages-json" else minified
    yield FilePrompt(f"{name}: {minified}", name, name, _routine(path, folder, form=form, inline=inline))


def _yaml(path: Path, name: str, folder: Folder) -> Iterator[FilePrompt]:
    minified = js_json(read_nodes(path, folder.shown(path)).plain())
    listed = form_of(minified) == "messages-json"
    form: Form = "messages-yaml" if listed else "user"
    routine = _routine(path, folder, form=form, inline=None if listed else minified)
    yield FilePrompt(f"{name}: {minified[:_SHORT]}", name, name, routine)


def _lines(path: Path, name: str, folder: Folder) -> Iterator[FilePrompt]:
    for number, line in enumerate(read_text(path).text.split("\n"), start=1):
        if line.strip():
            where = Place(folder.shown(path), number)
            routine = RoutineRef(inline=line, where=where, form=form_of(line))
            yield FilePrompt(f"{name}: {line}", name, f"{name}#{number}", routine)


def _table(path: Path, name: str, folder: Folder) -> Iterator[FilePrompt]:
    reader = csv.DictReader(io.StringIO(read_text(path).text), skipinitialspace=True)
    if "prompt" not in (reader.fieldnames or ()):
        raise MetapromptError("a table of prompts has a column  prompt", where=Place(folder.shown(path), 1))
    for number, row in enumerate(reader, start=1):
        text = row["prompt"] or ""
        label = row.get("label") or f"Prompt {number} - {text}"
        where = Place(folder.shown(path), number + 1)
        yield FilePrompt(
            label, name, row.get("label") or f"{name}#{number}", RoutineRef(inline=text, where=where, form="user")
        )


def _routine(
    path: Path, folder: Folder, *, form: Form, at: SectionAt | None = None, inline: str | None = None
) -> RoutineRef:
    """The routine in a file; with `inline`, a text made of the file, which cannot be written back."""
    where = Place(folder.shown(path), 1)
    return RoutineRef(path=None if inline is not None else path, inline=inline, where=where, at=at, form=form)


_READERS: dict[str, Callable[[Path, str, Folder], Iterator[FilePrompt]]] = {
    ".txt": _sections,
    ".md": _whole,
    ".j2": _whole,
    ".json": _json,
    ".yaml": _yaml,
    ".yml": _yaml,
    ".jsonl": _lines,
    ".csv": _table,
}
