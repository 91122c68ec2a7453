"""`--metaprompt-changed`: run only the suites that something changed for, as git sees it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path, PurePath

import pytest

from pytest_metaprompt.errors import MetapromptError
from pytest_metaprompt.files import FILE_PREFIX, read_text
from pytest_metaprompt.formats.marked import Marked, read_marked
from pytest_metaprompt.git import run_git
from pytest_metaprompt.plugin.cassettes import cassette_path
from pytest_metaprompt.plugin.collection import CaseItem, GateItem
from pytest_metaprompt.plugin.session import LoadedSuite, PromptSession
from pytest_metaprompt.suites import Suite, SuiteKey

_LONGEST_NAME = 300
_CODE = (".py", ".js", ".mjs", ".cjs", ".ts", ".sh")
_CODE_CHECKS = ("python", "javascript")
_WITHOUT_CODE = ("openai", "openai-responses", "github", "local", "echo")
_MENTION = re.compile(r"file://[^\s\"'`<>,;()\[\]{}]+")
_HOW_TO_NAME = (
    "write --metaprompt-changed=BASE with a branch, tag or commit; a path after the bare option is taken for BASE"
)


def keep_changed(state: PromptSession, items: list[pytest.Item], base: str) -> list[pytest.Item]:
    """Take the items of unchanged suites out of the list, and return them. Other tests stay.

    Raises:
        pytest.UsageError: There is no git repository, or no such revision.
    """
    affected = state.affected(base)
    dropped = [item for item in items if (key := _suite_of(state, item)) is not None and key not in affected]
    items[:] = [item for item in items if item not in set(dropped)]
    return dropped


def affected_suites(state: PromptSession, base: str) -> frozenset[SuiteKey]:
    """The suites that something changed for, told in a note.

    Raises:
        pytest.UsageError: There is no git repository, or no such revision.
    """
    changed = changed_files(state.root, base)
    affected = frozenset(key for key, loaded in state.suites.items() if is_affected(loaded, state, changed))
    state.notes.append(f"{len(affected)} of {len(state.suites)} suites have changes against {base}")
    return affected


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
    top = Path(_git(root, "rev-parse", "--show-toplevel", trouble=f"{root} is in no git repository").rstrip("\n"))
    # Git would take a name that begins with a dash for an option.
    commit = "" if base.startswith("-") else f"{base}^{{commit}}"
    trouble = f"git knows no commit {base!r}{_how_to_fetch(root)} ({_HOW_TO_NAME})"
    commit = _git(root, "rev-parse", "--verify", "--quiet", commit, trouble=trouble).strip()
    trouble = f"{base} and the commit that is checked out have no commit in common{_how_to_fetch(root)}"
    start = _git(root, "merge-base", commit, "HEAD", trouble=trouble).strip()
    names = _git(root, "diff", "--name-only", "--no-renames", "-z", start) + _git(
        top, "ls-files", "--others", "--exclude-standard", "-z"
    )
    return frozenset((top / name).resolve() for name in names.split("\0") if name)


def is_affected(loaded: LoadedSuite, state: PromptSession, changed: frozenset[Path]) -> bool:
    """Whether a file that a suite depends on was changed.

    Code may import what it likes, so a suite that runs some (a target, a check, a Python test) depends on all code.
    """
    if state.config.inipath is not None and state.config.inipath.resolve() in changed:
        return True
    found = Dependencies(loaded, state.root)
    files = {*found.files, *([state.options.baseline.resolve()] if state.options.baseline is not None else ())}
    if not changed.isdisjoint(files) or any(found.may_have_held(path) for path in changed if not path.exists()):
        return True
    return found.runs_code and any(path.suffix in _CODE for path in changed)


class Dependencies:
    """The files that a suite depends on: its own, its routine's, its data sets', its cassette, every file that a text
    in it names, and every `file://` in those."""

    def __init__(self, loaded: LoadedSuite, root: Path) -> None:
        suite = loaded.suite
        self._folder = suite.path.parent
        self._globs: set[str] = set()
        routine = [] if suite.routine.path is None else [suite.routine.path]
        parts = [suite.path, cassette_path(suite.path), *(root / case.where.path for case in suite.cases)]
        named = self._named_in(suite.path)
        self.files = {path.resolve() for path in (*routine, *parts, *named)}
        code = {path for path in named if path.suffix in _CODE} - {path.resolve() for path in routine}
        self.runs_code = loaded.python or bool(code) or any(_is_code(suite))

    def may_have_held(self, gone: Path) -> bool:
        """Whether a file that is not there any more may have been meant by a pattern, such as `prompts/*.txt`."""
        return any(
            fnmatch(gone.name, PurePath(glob).name) and gone.is_relative_to((self._folder / _fixed(glob)).resolve())
            for glob in self._globs
        )

    def _named_in(self, path: Path) -> set[Path]:
        """The files that a suite file names, and those that these name."""
        try:
            tree = read_marked(read_text(path).text, str(path)).root
        except MetapromptError:  # A Python file, say; its tests name their files otherwise.
            return set()
        waiting = [file for text in _texts(tree) for file in self._named(text, self._folder)]
        found: set[Path] = set()
        while waiting:
            file = waiting.pop()
            if file not in found:
                found.add(file)
                waiting += self._mentioned_in(file)
        return found

    def _mentioned_in(self, file: Path) -> Iterator[Path]:
        try:
            mentions = _MENTION.findall(read_text(file).text)
        except MetapromptError:
            return
        for mention in dict.fromkeys(mentions):
            for folder in {self._folder, file.parent}:
                yield from self._named(mention, folder)

    def _named(self, text: str, folder: Path) -> Sequence[Path]:
        """The files beside a suite that a text names: `a.csv`, `file://a.py:check`, `prompts/*.txt`."""
        name = text.removeprefix(FILE_PREFIX)
        if not name or "\n" in name or len(name) > _LONGEST_NAME or name.startswith("/"):
            return ()
        candidates = (name, name.rpartition(":")[0])
        try:
            if any(letter in name for letter in "*?["):
                self._globs.add(name)
                return [path.resolve() for path in folder.glob(name) if path.is_file()]
            return [(folder / one).resolve() for one in candidates if one and (folder / one).is_file()]
        except (OSError, ValueError, NotImplementedError):  # A text that is no path at all.
            return ()


def _fixed(glob: str) -> str:
    """The folders at the beginning of a pattern that hold no star."""
    return glob[: re.search(r"[*?\[]", glob).start()].rpartition("/")[0]  # type: ignore[union-attr]  # it has one


def _is_code(suite: Suite) -> Iterator[bool]:
    """For each model and each check of a suite, whether it runs the user's code."""
    models = [suite.target, suite.meta, suite.judge, suite.embedding]
    models += [case.simulation.model for case in suite.cases if case.simulation is not None]
    yield from (spec is not None and spec.provider not in _WITHOUT_CODE for spec in models)
    checks = (check for case in suite.cases for check in case.assertions)
    yield from (part.kind in _CODE_CHECKS for check in checks for part in check.parts)


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


def _how_to_fetch(root: Path) -> str:
    found = run_git(root, "rev-parse", "--is-shallow-repository")
    if found is None or found.stdout.strip() != "true":
        return ""
    return ", and this clone is shallow: fetch the whole history first (fetch-depth: 0 for actions/checkout)"


def _git(folder: Path, *arguments: str, trouble: str | None = None) -> str:
    found = run_git(folder, "-c", "core.quotePath=false", *arguments)
    if found is None:
        raise pytest.UsageError("--metaprompt-changed needs git, which is not installed")
    if found.returncode != 0:
        said = trouble or " ".join(found.stderr.split()) or f"git {arguments[0]} failed"
        raise pytest.UsageError(f"--metaprompt-changed: {said}")
    return found.stdout
