"""Native suites: a `*.metaprompt.yaml` file becomes a `Suite`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_metaprompt.errors import MetapromptError, SuiteFileError
from pytest_metaprompt.formats.cases import CaseForm, CheckAssertion, Defaults, check_unique, read_case
from pytest_metaprompt.formats.conversations import ConversationReader
from pytest_metaprompt.formats.marked import Marked
from pytest_metaprompt.formats.models import ModelReader, ParseModel
from pytest_metaprompt.formats.nearby import find_file
from pytest_metaprompt.formats.problems import Problems, read_tree, shown_path
from pytest_metaprompt.formats.settings import Section, read_fix, read_gate, read_repeat
from pytest_metaprompt.formats.structure import find_flaws
from pytest_metaprompt.formats.wording import shortened
from pytest_metaprompt.suites import Case, Json, ModelSpec, PythonName, RoutineRef, Suite, YamlAt

_WRITABLE_ENDINGS = (".md", ".txt", ".prompty")
_ROUTINE_ENDINGS = (".md", ".txt", ".prompty", ".json", ".yaml", ".yml")
_CONSTANT = re.compile(r"(?P<file>.+\.py):(?P<name>[^\W\d]\w*(?:\.[^\W\d]\w*)*)")


def read_suite(
    path: Path, *, root: Path, parse_model: ParseModel, check_assertion: CheckAssertion, needs_routine: bool = True
) -> Suite:
    """The suite that a native file describes, complete: data sets read, defaults and vars put in, ids given.

    Without `needs_routine` the routine may be a text file that is still to be written.

    Raises:
        SuiteFileError: With everything that is wrong in the file, and in the tables and tools that it names.
    """
    problems = Problems(shown_path(path, root))
    top, cases = _checked(path, problems)
    reader = _Reader(top, path, root, problems)
    models = ModelReader(parse_model, path.parent, root, problems)
    repeat, min_pass = read_repeat(top, problems)
    suite = Suite(
        path=path,
        routine=reader.routine(needed=needs_routine),
        cases=reader.cases(cases, check_assertion, models),
        target=reader.model("target", models),
        meta=reader.model("meta", models),
        judge=reader.model("judge", models),
        objective=top.text("objective"),
        source=reader.source(),
        repeat=repeat,
        min_pass=min_pass,
        gate=read_gate(top, problems),
        fix=read_fix(top),
        embedding=reader.model("embedding", models),
    )
    problems.raise_if_any()
    return suite


def _checked(path: Path, problems: Problems) -> tuple[Section, tuple[Marked, ...]]:
    """The keys of a suite, and its cases, without those that have a flaw: the flaws are noted."""
    root = _read_root(path, problems)
    flaws = find_flaws(root)
    for flaw in flaws:
        problems.add(problems.at(flaw.line), flaw.message, hint=flaw.hint)
    if not isinstance(root.value, dict):
        problems.raise_if_any()
    unsound = {flaw.keys[:1] for flaw in flaws} | {flaw.keys[:2] for flaw in flaws}
    entries = {key: node for key, node in root.mapping().items() if (key,) not in unsound}
    cases = root.mapping().get("cases")
    if cases is None or not isinstance(cases.value, tuple) or ("defaults",) in unsound:
        return Section(entries, root.key_lines), ()
    sound = tuple(node for index, node in enumerate(cases.value) if ("cases", index) not in unsound)
    return Section(entries, root.key_lines), sound


def _read_root(path: Path, problems: Problems) -> Marked:
    root = read_tree(path, problems)
    if root.value is None:
        hint = "a suite needs at least  routine: my_routine.md  and  cases: [...]"
        raise SuiteFileError([MetapromptError("the file is empty", where=problems.at(1), hint=hint)])
    return root


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the parts of one suite that need its surroundings; what is absent or flawed is None or empty."""

    top: Section
    path: Path
    root: Path
    problems: Problems

    @property
    def folder(self) -> Path:
        return self.path.parent

    def routine(self, *, needed: bool) -> RoutineRef:
        if "routine" not in self.top.entries:
            return RoutineRef()
        node = self.top.entries["routine"]
        where = self.problems.at(self.top.key_lines["routine"])
        if isinstance(node.value, dict):
            return RoutineRef(path=self.path, at=YamlAt(("routine", "inline")), where=where)
        name = node.text()
        if not needed and name.endswith(_WRITABLE_ENDINGS) and not (self.folder / name).exists():
            return RoutineRef(path=self.folder / name, where=where)
        with self.problems.noting(where):
            return replace(find_routine(name, self.folder), where=where)
        return RoutineRef()

    def source(self) -> Path | None:
        name = self.top.text("source")
        if name is not None:
            with self.problems.noting(self.problems.at(self.top.key_lines["source"])):
                return find_file(name, self.folder, what="the source")
        return None

    def model(self, key: str, models: ModelReader) -> ModelSpec | None:
        return models.read(self.top.entries[key], self.top.key_lines[key]) if key in self.top.entries else None

    def cases(self, nodes: tuple[Marked, ...], check: CheckAssertion, models: ModelReader) -> tuple[Case, ...]:
        defaults = self._defaults(models)
        forms = [form for node in nodes for form in self._forms(node, defaults)]
        cases = [read_case(form, defaults, problems=self.problems, check=check) for form in forms]
        return check_unique(zip(forms, cases, strict=True), self.problems)

    def _defaults(self, models: ModelReader) -> Defaults:
        section = self.top.section("defaults")
        conversations = ConversationReader(section.section("simulate"), models)
        return Defaults(
            _plain_vars(section.entries), section.items("assert"), section.items("tags"), conversations=conversations
        )

    def _forms(self, node: Marked, defaults: Defaults) -> Iterator[CaseForm]:
        entries = node.mapping()
        if "dataset" in entries:
            from pytest_metaprompt.formats.datasets import expand_dataset

            yield from expand_dataset(node, defaults.vars, folder=self.folder, root=self.root, problems=self.problems)
        else:
            where = self.problems.at(node.line)
            yield CaseForm(entries, node.key_lines, _plain_vars(entries), where)


def find_routine(name: str, folder: Path) -> RoutineRef:
    """The routine of that name: a file, or a constant of a module.

    Raises:
        MetapromptError: There is none, or it is no such file.
    """
    constant = _CONSTANT.fullmatch(name)
    if constant:
        path = find_file(constant["file"], folder, what="the module")
        return RoutineRef(path=path, at=PythonName(constant["name"]), form="plain")
    if not name.endswith(_ROUTINE_ENDINGS):
        hint = 'for a text in the suite itself write  routine: {inline: "..."}, for a constant  routine: module.py:NAME'
        endings = ".md, .txt, .prompty, .yaml or .json"
        raise MetapromptError(f"the routine {shortened(name)!r} must end in {endings}", hint=hint)
    return RoutineRef(path=find_file(name, folder, what="the routine"))


def _plain_vars(entries: Mapping[str, Marked]) -> dict[str, Json]:
    return {key: node.plain() for key, node in entries["vars"].mapping().items()} if "vars" in entries else {}
