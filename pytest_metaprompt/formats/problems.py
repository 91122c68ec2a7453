"""What is wrong with a file, gathered so that all of it is reported together."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pytest_metaprompt.errors import FileAccessError, MetapromptError, Place, SuiteFileError
from pytest_metaprompt.files import read_text
from pytest_metaprompt.formats.marked import Marked, read_marked


def shown_path(path: Path, root: Path) -> str:
    """A path as messages name it: relative to the root where it lies inside, with forward slashes."""
    plain = Path(os.path.normpath(path))
    return plain.relative_to(root).as_posix() if plain.is_relative_to(root) else plain.as_posix()


class Problems:
    """Gathers the problems of one file. The same sentence for the same place is kept once."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._found: dict[tuple[Place, object], MetapromptError] = {}

    def at(self, line: int) -> Place:
        """The place of a line of this file."""
        return Place(self.path, line)

    def add(self, where: Place, message: str, *, hint: str | None = None, once_for: object = None) -> None:
        """Notes a problem; of those with the same place and `once_for`, only the first is kept."""
        error = MetapromptError(message, where=where, hint=hint)
        self._found.setdefault((where, message if once_for is None else once_for), error)

    def add_error(self, error: MetapromptError, where: Place) -> None:
        """Notes an error; `where` serves one that does not know its own place."""
        self.add(error.where or where, error.message, hint=error.hint)

    @contextmanager
    def noting(self, where: Place) -> Iterator[None]:
        """Notes what is raised inside, and goes on behind."""
        try:
            yield
        except SuiteFileError as error:
            for problem in error.problems:
                self.add_error(problem, where)
        except MetapromptError as error:
            self.add_error(error, where)

    def raise_if_any(self) -> None:
        """Returns if all is well.

        Raises:
            SuiteFileError: It is not; the error holds everything that was noted.
        """
        if self._found:
            raise SuiteFileError(self._found.values())


def read_tree(path: Path, problems: Problems) -> Marked:
    """The tree of a suite's file. Slips in it, such as duplicate keys, are noted.

    Raises:
        SuiteFileError: It cannot be read, or is no YAML, so that there is nothing to go on with.
    """
    try:
        document = read_marked(read_text(path).text, problems.path)
    except FileAccessError as error:
        raise SuiteFileError([error]) from None
    for problem in document.problems:
        problems.add_error(problem, problems.at(1))
    return document.root
