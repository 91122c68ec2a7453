"""Proved repairs as a patch that `git apply` takes, or as suggestions for a pull request."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_metaprompt.files import SourceText, encode_like, virtually_written
from pytest_metaprompt.git import run_git
from pytest_metaprompt.repair.outcome import Found


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file as it is, and as a repair would have it."""

    before: SourceText
    after: SourceText


def change_of(found: Found) -> FileChange | None:
    """What a proved repair would do to its file; None where nothing was proved or there is no file."""
    if found.routine is None or found.old.home is None:
        return None
    source = found.old.home.source
    return FileChange(source, virtually_written(source, found.old.home.put(found.routine.text)))


def by_file(changes: Sequence[FileChange]) -> list[FileChange]:
    """One change for each file, from how it is to how the last repair of a routine in it would have it."""
    whole: dict[Path, FileChange] = {}
    for change in changes:
        real = _real(change.before.path)
        first = whole.get(real, change)
        whole[real] = FileChange(first.before, change.after)
    return list(whole.values())


def as_patch(change: FileChange, *, root: Path) -> bytes:
    """A unified diff of the file's bytes, line ends and encoding included, with its path from the top of the git
    repository (from `root` outside of one)."""
    name = _name(change.before.path, root)
    lines = difflib.diff_bytes(
        difflib.unified_diff,
        _lines(change.before.raw),
        _lines(encode_like(change.before, change.after.text)),
        fromfile=f"a/{name}".encode(),
        tofile=f"b/{name}".encode(),
    )
    return b"".join(line if line.endswith(b"\n") else line + b"\n\\ No newline at end of file\n" for line in lines)


def as_suggestions(change: FileChange, *, root: Path) -> str:
    """GitHub's suggestion blocks, each with the lines of the file that it replaces, for a review comment there."""
    old, new = change.before.text.split("\n"), change.after.text.split("\n")
    name = _name(change.before.path, root)
    blocks = []
    for tag, start, end, new_start, new_end in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        # A suggestion replaces lines: what is put in takes the line before it along, or the one behind at the top.
        lead = 1 if start == end and start > 0 else 0
        tail = 1 if start == end == 0 else 0
        text = "\n".join(new[new_start - lead : new_end + tail])
        fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
        lines = f"{start + 1 - lead}" if end - start + lead + tail <= 1 else f"{start + 1 - lead}-{end + tail}"
        blocks.append(f"`{name}`, line {lines}\n\n{fence}suggestion\n{text}\n{fence}\n")
    return "\n".join(blocks)


def git_top(folder: Path) -> Path | None:
    """The top folder of the git repository that a folder is in; None outside of git."""
    found = run_git(folder, "rev-parse", "--show-toplevel")
    return Path(found.stdout.rstrip("\n")) if found is not None and found.returncode == 0 else None


def _name(path: Path, root: Path) -> str:
    """The path from the top of the git repository, or from `root` outside of one."""
    real, top = _real(path), _real(root)
    base = git_top(real.parent) or (top if real.is_relative_to(top) else real.parent)
    return real.relative_to(base).as_posix()


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _lines(raw: bytes) -> list[bytes]:
    """The lines as git counts them: each ends with a line feed, whatever stands before it."""
    return re.findall(rb"[^\n]*\n|[^\n]+", raw)
