"""The files that a config names, relative to its folder, and whether a text names one at all."""

from __future__ import annotations

import glob as globbing
from dataclasses import dataclass, field
from pathlib import Path

from pytest_metaprompt.errors import MetapromptError, Place
from pytest_metaprompt.files import FILE_PREFIX
from pytest_metaprompt.formats.nearby import find_file
from pytest_metaprompt.formats.problems import shown_path

_ENDINGS = tuple(
    f".{ending}"
    for ending in [
        "cjs",
        "cts",
        "j2",
        "js",
        "json",
        "jsonl",
        "md",
        "mjs",
        "mts",
        "py",
        "ts",
        "txt",
        "yml",
        "yaml",
        "csv",
    ]
)  # promptfoo's, and csv


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder of a config, the project it lies in, and what the user should be told about what is read from it."""

    config: Path
    root: Path
    notes: list[str] = field(default_factory=list)

    @property
    def path(self) -> Path:
        """The folder itself."""
        return self.config.parent

    def shown(self, path: Path) -> str:
        """A path as messages name it."""
        return shown_path(path, self.root)

    def find(self, name: str, *, what: str, where: Place) -> Path:
        """The path of an existing file.

        Raises:
            MetapromptError: There is none; the hint names the nearest one.
        """
        try:
            return find_file(name, self.path, what=what)
        except MetapromptError as error:
            raise MetapromptError(error.message, where=where, hint=error.hint) from None

    def glob(self, name: str, *, base: Path | None = None) -> tuple[Path, ...]:
        """The files with a name or pattern, the last in the alphabet first, as promptfoo goes through them."""
        folder = base or self.path
        if (folder / name).is_file():
            return (folder / name,)
        found = [folder / one for one in globbing.glob(name, root_dir=folder, recursive=True)]  # noqa: PTH207  # `../` may lead it
        return tuple(sorted((one for one in found if one.is_file() and one != self.config), reverse=True))


def names_path(text: str) -> bool:
    """Whether promptfoo takes a text for a path: by its beginning, its ending, or a character that paths have."""
    if "\n" in text:
        return False
    if text.startswith(FILE_PREFIX) or text.endswith(_ENDINGS):
        return True
    return "." in (text[-3:-2], text[-4:-3]) or any(character in text for character in "*/\\")
