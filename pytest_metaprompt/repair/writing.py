"""The last step of a repair: show the change, ask git whether the old text is safe, write."""

from __future__ import annotations

import difflib
import os
import shutil
import subprocess
from pathlib import Path

from pytest_metaprompt.errors import FileAccessError
from pytest_metaprompt.files import write_back
from pytest_metaprompt.routines import Routine


def unified_diff(old: Routine, new: Routine) -> str:
    """The change of a routine file as a unified diff with three lines of context; empty when nothing changed."""
    lines = difflib.unified_diff(
        old.text.splitlines(keepends=True),
        new.text.splitlines(keepends=True),
        fromfile=f"a/{old.name}",
        tofile=f"b/{old.name}",
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def write_objection(routine: Routine, *, allow_dirty: bool) -> str | None:
    """Why the routine's file must not be overwritten; None if it may be."""
    if routine.source is None:
        return "the routine is written inside the suite; put it into a file of its own to have it repaired"
    real = Path(os.path.realpath(routine.source.path))
    if not os.access(real, os.W_OK):
        return f"{routine.name} is not writable"
    if not allow_dirty and has_uncommitted_changes(real):
        return f"{routine.name} has uncommitted changes in git; commit them, or pass --metaprompt-allow-dirty"
    return None


def write_routine(old: Routine, new: Routine) -> None:
    """Write the new text into the file that the old one was read from.

    Raises:
        FileAccessError: It was not written (the file changed, or cannot be written); it holds what it held.
    """
    if old.source is None:
        raise FileAccessError(f"{old.name} is not a file")
    write_back(old.source, new.text)


def has_uncommitted_changes(path: Path) -> bool:
    """Whether git knows the folder and holds another text of the file, or none; False outside of git."""
    git = shutil.which("git")
    if git is None:
        return False
    command = [git, "-C", str(path.parent), "status", "--porcelain", "--untracked-files=all", "--", path.name]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.returncode == 0 and bool(found.stdout.strip())
