"""The `metaprompt` marker of a Python test becomes a `Suite` without cases: the keys and words of suite files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from pytest_metaprompt.errors import MetapromptError
from pytest_metaprompt.formats.marked import Marked, marked
from pytest_metaprompt.formats.models import ModelReader, ParseModel
from pytest_metaprompt.formats.native import find_routine
from pytest_metaprompt.formats.problems import Problems, shown_path
from pytest_metaprompt.formats.schemas import Schema, suite_schema
from pytest_metaprompt.formats.settings import Section, read_fix, read_repeat
from pytest_metaprompt.formats.structure import find_flaws
from pytest_metaprompt.suites import RoutineRef, Suite

_SHARED = ("routine", "target", "meta", "judge", "objective", "repeat", "min_pass", "fix")
_OWN: Mapping[str, Schema] = {
    "repair": {"description": "Whether a repair may run the test again.", "type": "boolean"},
    "tools": {"description": "The tools that the target may call: a list, or a file.", "type": ["array", "string"]},
}


@dataclass(frozen=True, slots=True)
class MarkerReader:
    """Reads the markers of one test file. Paths are relative to it, or else to `root`."""

    path: Path
    root: Path
    parse_model: ParseModel

    def read(self, settings: Mapping[str, object], line: int) -> tuple[Suite, bool]:
        """The suite that the settings describe, without cases, and whether a repair may run the test again.

        Raises:
            SuiteFileError: With everything that is wrong in the settings.
        """
        problems = Problems(shown_path(self.path, self.root))
        top = self._checked(settings, line, problems)
        models = ModelReader(self.parse_model, self.path.parent, self.root, problems)
        repeat, min_pass = read_repeat(top, problems)
        entries = top.entries
        suite = Suite(
            path=self.path,
            routine=self._routine(top, line, problems),
            cases=(),
            target=models.read(_with_tools(entries, line), line) if "target" in entries else None,
            meta=models.read(entries["meta"], line) if "meta" in entries else None,
            judge=models.read(entries["judge"], line) if "judge" in entries else None,
            objective=top.text("objective"),
            repeat=repeat,
            min_pass=min_pass,
            fix=read_fix(top),
        )
        problems.raise_if_any()
        return suite, entries["repair"].value is True if "repair" in entries else True

    def _checked(self, settings: Mapping[str, object], line: int, problems: Problems) -> Section:
        # What is no JSON has none of the schema's types, and so is a flaw.
        root = marked(cast("dict[str, None]", {key: _plain(value) for key, value in settings.items()}), line)
        flaws = find_flaws(root, _schema())
        for flaw in flaws:
            problems.add(problems.at(line), f"metaprompt marker: {flaw.message}", hint=flaw.hint)
        flawed = {flaw.keys[:1] for flaw in flaws}
        return Section({key: node for key, node in root.mapping().items() if (key,) not in flawed}, root.key_lines)

    def _routine(self, top: Section, line: int, problems: Problems) -> RoutineRef:
        name, where = top.text("routine"), problems.at(line)
        with problems.noting(where):
            return replace(self._find(name), where=where) if name is not None else RoutineRef()
        return RoutineRef()

    def _find(self, name: str) -> RoutineRef:
        try:
            return find_routine(name, self.path.parent)
        except MetapromptError as error:
            first = error
        try:
            return find_routine(name, self.root)
        except MetapromptError:
            near = first.hint if first.hint and first.hint.startswith("did you mean") else None
            looked = f"looked in {self.path.parent} and in {self.root}; for a constant write module.py:NAME"
            raise MetapromptError(first.message, hint=near or looked) from None


def _schema() -> Schema:
    known = suite_schema()["properties"]
    routine: Schema = {"type": "string", "minLength": 1, "description": "The path of the routine's file."}
    shared = {key: known[key] for key in _SHARED}
    return {
        "type": "object",
        "required": ["routine"],
        "additionalProperties": False,
        "properties": {**shared, **_OWN, "routine": routine},
    }


def _with_tools(entries: Mapping[str, Marked], line: int) -> Marked:
    """The target, with the marker's `tools` among its parameters."""
    target = entries["target"]
    if "tools" not in entries:
        return target
    model = target.mapping() if isinstance(target.value, dict) else {"model": target}
    both = {**model, "tools": entries["tools"]}
    return Marked(both, line, dict.fromkeys(both, line))


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value
