"""Where a routine's text stands: the file, and how a new text is put into it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pytest_metaprompt.embedded.json_strings import read_string, replace_string
from pytest_metaprompt.embedded.python_strings import read_constant, replace_constant
from pytest_metaprompt.embedded.txt_sections import read_section, replace_section
from pytest_metaprompt.embedded.yaml_scalars import read_scalar, replace_scalar, shown
from pytest_metaprompt.errors import Place, RoutineError
from pytest_metaprompt.files import SourceText, read_text
from pytest_metaprompt.suites import JsonAt, Locator, PythonName, SectionAt, YamlAt


@dataclass(frozen=True, slots=True)
class Home:
    """The place of a routine's text. `at` None means the whole file; `file` is what the file is called in messages.

    Two routines with the same `key` are the same routine. `ours` says that the file was written last by a repair of the
    same session, which may have changed another text in it.
    """

    source: SourceText
    file: str
    at: Locator | None = None
    ours: bool = False

    @property
    def name(self) -> str:
        """What a routine that lives here is called."""
        return self.file if self.at is None else f"{self.file}{_suffix(self.at)}"

    @property
    def key(self) -> tuple[str, Locator | None]:
        """The file itself, behind any symlink, and the place in it."""
        return os.path.realpath(self.source.path), self.at

    @property
    def text(self) -> str:
        """The routine's text.

        Raises:
            RoutineError: The file has no text at this place.
        """
        try:
            return _read(self.source.text, self.at)
        except RoutineError as error:
            raise RoutineError(error.message, where=Place(self.file), hint=error.hint) from None

    def put(self, new: str) -> str:
        """The text of the whole file with a new text of the routine in it, and all else as it was.

        Raises:
            RoutineError: The new text cannot stand there; the message says why.
        """
        try:
            return _replaced(self.source.text, self.at, new)
        except RoutineError as error:
            raise RoutineError(error.message, where=Place(self.file), hint=error.hint) from None


def open_home(path: Path, at: Locator | None, *, root: Path) -> Home:
    """The home at a place of a file, read from the disk.

    Raises:
        FileAccessError: The file cannot be read.
    """
    # Only the name: what `..` means to the disk may differ where folders are symlinks.
    name = Path(os.path.normpath(path))
    name = name.relative_to(root) if name.is_relative_to(root) else name
    return Home(read_text(path), name.as_posix(), at)


def _read(text: str, at: Locator | None) -> str:
    match at:
        case None:
            return text
        case YamlAt(keys):
            return read_scalar(text, keys)
        case JsonAt(keys):
            return read_string(text, keys)
        case PythonName(name):
            return read_constant(text, name)
        case SectionAt(index, separator):
            return read_section(text, index, separator)


def _replaced(text: str, at: Locator | None, new: str) -> str:
    match at:
        case None:
            return new
        case YamlAt(keys):
            return replace_scalar(text, keys, new)
        case JsonAt(keys):
            return replace_string(text, keys, new)
        case PythonName(name):
            return replace_constant(text, name, new)
        case SectionAt(index, separator):
            return replace_section(text, index, separator, new)


def _suffix(at: Locator) -> str:
    match at:
        case YamlAt(keys) | JsonAt(keys):
            return f"::{shown(keys)}"
        case PythonName(name):
            return f":{name}"
        case SectionAt(index):
            return f"#{index + 1}"
