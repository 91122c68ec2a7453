"""Files that a suite names: found, or a problem that knows what is there instead."""

from __future__ import annotations

import difflib
from pathlib import Path

from pytest_metaprompt.errors import MetapromptError


def find_file(name: str, folder: Path, *, what: str) -> Path:
    """The path of an existing file that is named relative to the folder of a suite.

    Raises:
        MetapromptError: There is no such file; the hint names the nearest one.
    """
    path = folder / name
    try:
        if path.is_file():
            return path
        is_folder = path.is_dir()
    except OSError:  # The name is too long for a file, or its folder may not be looked into.
        raise MetapromptError(f"{what} {name[:60]!r} cannot be the name of a file") from None
    if is_folder:
        raise MetapromptError(f"{what} {name!r} is a folder", hint="name a file in it")
    raise MetapromptError(f"{what} {name!r} does not exist", hint=_nearest(path, name))


def _nearest(path: Path, name: str) -> str:
    if not path.parent.is_dir():
        return f"there is no folder {Path(name).parent.as_posix()!r} beside the suite file"
    names = sorted(child.name for child in path.parent.iterdir() if child.is_file())
    near = difflib.get_close_matches(path.name, names, n=1)
    return f"did you mean {Path(name).with_name(near[0]).as_posix()!r}?" if near else "paths start at the suite file"
