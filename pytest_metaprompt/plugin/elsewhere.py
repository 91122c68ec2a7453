"""Suites that a repair cannot be held against: those that use the same text in another way, and those that were not
collected."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from pytest_metaprompt.errors import FileAccessError, MetapromptError, RoutineError
from pytest_metaprompt.files import SourceText, read_text, virtually_written
from pytest_metaprompt.homes import Home
from pytest_metaprompt.plugin.kinds import kind_of
from pytest_metaprompt.plugin.session import LoadedSuite, PromptSession


def entangled(session: PromptSession, group: Sequence[LoadedSuite]) -> str | None:
    """Why a repair of these suites' routine could break cases that it cannot try; None if it could not.

    Another suite may have the same text as another kind of routine: a promptfoo prompt, which is a user message, may be
    the system prompt of a Python test.
    """
    routine, keys = group[0].routine, {loaded.suite.key for loaded in group}
    if routine.home is None:
        return None
    try:
        changed = virtually_written(routine.home.source, routine.home.put(f"{routine.text}\nx"))
    except (FileAccessError, RoutineError):
        return None  # It cannot be written at all, which is told elsewhere.
    runs = session.runs()
    for loaded in session.suites.values():
        home = loaded.routine.home
        passes = any(result.outcome == "passed" for result in runs[loaded.suite.key].results)
        if home is None or not passes or loaded.suite.key in keys or home.key[0] != routine.home.key[0]:
            continue
        if _text(home, changed) != _text(home, routine.home.source):
            return f"{loaded.name} has the same text as {home.name}; its passing cases could break, and cannot be tried"
    return None


def _text(home: Home, source: SourceText) -> str | None:
    try:
        return replace(home, source=source).text
    except RoutineError:
        return None


def not_held_against(session: PromptSession, home: Home) -> str:
    """What to add to the evidence of a repair: the native suites below the root directory that share the routine and
    were not collected; empty if there are none."""
    known = {os.path.realpath(path) for path, _ in session.suites}
    found = sorted(
        path.relative_to(session.root).as_posix()
        for path in _suite_files(session.config)
        if os.path.realpath(path) not in known and _shares(path, home)
    )
    names = ", ".join(found)
    return f"; not held against {names}, which shares the routine and was not collected" if found else ""


def _suite_files(config: pytest.Config) -> Iterator[Path]:
    """The native suites that pytest would find without arguments."""
    ignored = config.getini("norecursedirs")
    for folder, folders, files in os.walk(config.rootpath):
        folders[:] = [
            name
            for name in folders
            if not any(fnmatchcase(name, pattern) for pattern in ignored)
            and not Path(folder, name, "pyvenv.cfg").exists()
        ]
        yield from (Path(folder, name) for name in files if kind_of(name, named=False, listed=()) == "native")


def _shares(path: Path, home: Home) -> bool:
    """Whether a suite file names the same place of the same file. One that cannot be read is none of this matter."""
    import yaml

    try:
        text = read_text(path).text
        top = yaml.safe_load(text) if Path(home.file).name in text else None
    except (MetapromptError, yaml.YAMLError):
        return False
    routine = top.get("routine") if isinstance(top, dict) else None
    place = home.name.removeprefix(home.file)
    if not isinstance(routine, str) or not routine.endswith(place):
        return False
    return os.path.realpath(path.parent / routine.removesuffix(place)) == os.path.realpath(home.source.path)
