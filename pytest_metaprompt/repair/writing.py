"""The last step of a repair: show the change, ask git whether the old text is safe, write."""

from __future__ import annotations

import difflib
import os
from contextlib import suppress
from io import StringIO
from pathlib import Path

from pytest_metaprompt.errors import FileAccessError, RoutineError
from pytest_metaprompt.files import SourceText, write_back
from pytest_metaprompt.git import run_git
from pytest_metaprompt.homes import Home
from pytest_metaprompt.routines import Routine


def unified_diff(old: Routine, new: Routine) -> str:
    """The change of a routine's whole file as a unified diff with three lines of context; empty if nothing changed.

    Where the file cannot hold the new text, it is the change of the routine's own text.
    """
    before, after, name = old.text, new.text, old.name
    if old.home is not None:
        with suppress(RoutineError):
            before, after, name = old.home.source.text, old.home.put(new.text), old.home.file
    lines = difflib.unified_diff(
        list(StringIO(before)),
        list(StringIO(after)),
        fromfile=f"a/{name}",
        tofile=f"b/{name}",
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def write_objection(routine: Routine, *, allow_dirty: bool) -> str | None:
    """Why the routine's file must not be overwritten; None if it may be."""
    home = routine.home
    if home is None:
        return "the routine stands in no file, so there is nothing to write to"
    real = Path(os.path.realpath(home.source.path))
    if not os.access(real, os.W_OK):
        return f"{home.file} is not writable"
    trouble = home_trouble(routine)
    if trouble is not None:
        return trouble
    if home.ours and not _holds(home.source, home, routine.text):
        return f"an earlier repair of this run changed {home.name}; repair it in a run of its own"
    if not allow_dirty and not home.ours and has_uncommitted_changes(real):
        return f"{home.file} has uncommitted changes in git; commit them, or pass --metaprompt-allow-dirty"
    return None


def home_trouble(routine: Routine) -> str | None:
    """Why no new text can stand where the routine lives; None if one can."""
    try:
        if routine.home is not None:
            routine.home.put(routine.text + ".\nx")
    except RoutineError as error:
        return str(error)
    return None


def write_routine(old: Routine, new: Routine) -> SourceText:
    """Write the new text to where the old one lives, and return the file as it is now.

    Raises:
        FileAccessError: It was not written (the file changed, or cannot be written); it holds what it held.
        RoutineError: The new text cannot stand there.
    """
    if old.home is None:
        raise FileAccessError(f"{old.name} stands in no file")
    # `put` reads its result back and compares everything in it; `write_back` compares the bytes on the disk.
    return write_back(old.home.source, old.home.put(new.text))


def has_uncommitted_changes(path: Path) -> bool:
    """Whether git knows the folder and holds another text of the file, or none; False outside of git."""
    found = run_git(path.parent, "status", "--porcelain", "--untracked-files=all", "--", path.name)
    return found is not None and found.returncode == 0 and bool(found.stdout.strip())


def _holds(written: SourceText, home: Home, text: str) -> bool:
    try:
        return Home(written, home.file, home.at).text == text
    except RoutineError:
        return False
