"""The vars of tests: loaded from the files that name them, and every combination of their lists."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pytest_metaprompt.errors import MetapromptError, Place
from pytest_metaprompt.files import FILE_PREFIX
from pytest_metaprompt.formats.marked import Marked
from pytest_metaprompt.formats.promptfoo.document import Fields, fields_of, read_nodes
from pytest_metaprompt.formats.promptfoo.files import Folder
from pytest_metaprompt.suites import Json


def read_vars(fields: Fields, folder: Folder, *, base: Path) -> Mapping[str, Marked]:
    """The vars of a test; a path, or a list of them, stands for what the files hold.

    Of several files that have a var, the last one read gives it, and a pattern is read from the end of the alphabet.

    Raises:
        MetapromptError: A file is missing or holds no vars, or an assertion stands among them.
    """
    if not fields.has("vars"):
        return {}
    node = fields.entries["vars"]
    if isinstance(node.value, dict):
        _refuse_assertions(node, fields.where.path)
        return node.value
    names = fields.texts("vars") or ()
    found: dict[str, Marked] = {}
    for name in names:
        found |= _from_files(name.removeprefix(FILE_PREFIX), folder, base, fields.place("vars"))
    return found


def combinations(values: Mapping[str, Json], folder: Folder, *, where: Place, expand: bool) -> list[dict[str, Json]]:
    """Every combination of the vars that are lists of texts or patterns of files; the first var changes slowest.

    Raises:
        MetapromptError: A `file://` matches no file.
    """
    rows: list[dict[str, Json]] = [{}]
    for name, value in values.items():
        choices = _choices(name, value, folder, where) if expand else [value]
        rows = [{**row, name: choice} for row in rows for choice in choices]
    return rows


def _choices(name: str, value: Json, folder: Folder, where: Place) -> list[Json]:
    if isinstance(value, str) and value.startswith(FILE_PREFIX):
        pattern = value.removeprefix(FILE_PREFIX)
        paths = folder.glob(pattern)
        if not paths:
            raise MetapromptError(f"the var {name!r}: there is no file {pattern!r}", where=where)
        return [FILE_PREFIX + os.path.relpath(path, folder.path).replace(os.sep, "/") for path in paths]
    if isinstance(value, list) and value and isinstance(value[0], str):
        return list(value)
    return [value]


def _from_files(name: str, folder: Folder, base: Path, where: Place) -> dict[str, Marked]:
    paths = folder.glob(name, base=base)
    if not paths:
        raise MetapromptError(f"there is no file of vars {name!r}", where=where)
    found: dict[str, Marked] = {}
    for path in paths:
        shown = folder.shown(path)
        found |= fields_of(read_nodes(path, shown), shown, "a file of vars").entries
    return found


def _refuse_assertions(node: Marked, path: str) -> None:
    for name, value in node.mapping().items():
        listed = isinstance(value.value, tuple) and value.value and all(isinstance(v.value, dict) for v in value.value)
        if name == "assert" and listed and all("type" in item.mapping() for item in value.items()):
            hint = "indent it less"
            raise MetapromptError("assert stands under vars", where=Place(path, value.line), hint=hint)
