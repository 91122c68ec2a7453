"""`--metaprompt-changed`: run only the suites that something changed for, as git sees it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from pytest_metaprompt.errors import MetapromptError
from pytest_metaprompt.files import FILE_PREFIX, read_text
from pytest_metaprompt.formats.marked import Marked, read_marked
from pytest_metaprompt.plugin.collection import CaseItem, GateItem
from pytest_metaprompt.plugin.session import LoadedSuite, PromptSession
from pytest_metaprompt.suites import SuiteKey

_LONGEST_NAME = 300


def keep_changed(state: PromptSession, items: list[pytest.Item], base: str) -> list[pytest.Item]:
    """Take the items of unchanged suites out of the list, and return them. Other tests stay.

    Raises:
        pytest.UsageError: There is no git repository, or no such revision.
    """
    changed = changed_files(state.root, base)
    affected = {key for key, loaded in state.suites.items() if is_affected(loaded, state.root, changed)}
    dropped = [item for item in items if (key := _suite_of(state, item)) is not None and key not in affected]
    items[:] = [item for item in items if item not in set(dropped)]
    state.notes.append(f"{len(affected)} of {len(state.suites)} suites have changes against {base}")
    return dropped


def _suite_of(state: PromptSession, item: pytest.Item) -> SuiteKey | None:
    if isinstance(item, CaseItem | GateItem):
        return item.loaded.suite.key
    test = state.tests.of(item)
    return test.suite.key if test is not None else None


def changed_files(root: Path, base: str) -> frozenset[Path]:
    """The files that differ from where the work left `base`: committed since, uncommitted, or new.

    Raises:
        pytest.UsageError: There is no git repository, or no such revision.
    """
    top = Path(_git(root, "rev-parse", "--show-toplevel").rstrip("\n"))
    start = _git(root, "merge-base", base, "HEAD").strip()
    names = _git(root, "diff", "--name-only", "--no-renames", "-z", start) + _git(
        top, "ls-files", "--others", "--exclude-standard", "-z"
    )
    return frozenset((top / name).resolve() for name in names.split("\0") if name)


def is_affected(loaded: LoadedSuite, root: Path, changed: frozenset[Path]) -> bool:
    """Whether a file that a suite depends on was changed.

    The code of a `python:` target may be any Python file, and so may be what a Python test imports.
    """
    suite = loaded.suite
    if not changed.isdisjoint(_files(loaded, root)):
        return True
    models = [spec for spec in (suite.target, suite.meta, suite.judge) if spec is not None]
    return (loaded.python or any(spec.provider == "python" for spec in models)) and any(
        path.suffix == ".py" for path in changed
    )


def _files(loaded: LoadedSuite, root: Path) -> Iterator[Path]:
    """The suite's file, its routine's, its data sets', and every file that a text in it names."""
    suite = loaded.suite
    yield suite.path.resolve()
    if suite.routine.path is not None:
        yield suite.routine.path.resolve()
    yield from {(root / case.where.path).resolve() for case in suite.cases}
    try:
        tree = read_marked(read_text(suite.path).text, str(suite.path)).root
    except MetapromptError:  # A Python file, say; its tests name their files otherwise.
        return
    for text in _texts(tree):
        yield from _named(text, suite.path.parent)


def _texts(node: Marked) -> Iterator[str]:
    waiting = [node]
    while waiting:
        value = waiting.pop().value
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, tuple):
            waiting.extend(value)


def _named(text: str, folder: Path) -> Sequence[Path]:
    """The files beside a suite that a text names: `a.csv`, `file://a.py:check`, `prompts/*.txt`."""
    name = text.removeprefix(FILE_PREFIX)
    if not name or "\n" in name or len(name) > _LONGEST_NAME or name.startswith("/"):
        return ()
    candidates = (name, name.rpartition(":")[0])
    try:
        if any(letter in name for letter in "*?["):
            return [path.resolve() for path in folder.glob(name) if path.is_file()]
        return [(folder / one).resolve() for one in candidates if one and (folder / one).is_file()]
    except (OSError, ValueError, NotImplementedError):  # A text that is no path at all.
        return ()


def _git(folder: Path, *arguments: str) -> str:
    git = shutil.which("git")
    if git is None:
        raise pytest.UsageError("--metaprompt-changed needs git, which is not installed")
    found = subprocess.run(
        [git, "-C", str(folder), "-c", "core.quotePath=false", *arguments], capture_output=True, text=True, check=False
    )
    if found.returncode != 0:
        said = " ".join(found.stderr.split()) or f"git {arguments[0]} failed"
        raise pytest.UsageError(
            f"--metaprompt-changed: {said} (write --metaprompt-changed=BASE with a branch, tag or commit; "
            "a path after the bare option is taken for BASE)"
        )
    return found.stdout
