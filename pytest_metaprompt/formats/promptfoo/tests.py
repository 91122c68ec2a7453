"""The tests of a config and of the files that it names, each as a mapping that knows where it stands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_metaprompt.errors import MetapromptError, Place
from pytest_metaprompt.files import FILE_PREFIX, read_text
from pytest_metaprompt.formats.marked import Marked, marked
from pytest_metaprompt.formats.promptfoo.csv_tests import read_csv_tests
from pytest_metaprompt.formats.promptfoo.document import Fields, fields_of, read_nodes
from pytest_metaprompt.formats.promptfoo.files import Folder
from pytest_metaprompt.python_files import call_function, split_reference
from pytest_metaprompt.suites import Json

_REMOTE = ("https://", "http://", "huggingface://", "az://", "s3://")


@dataclass(frozen=True, slots=True)
class TestForm:
    """A test as it is written, and the folder that a path in its `vars` starts from."""

    __test__ = False

    fields: Fields
    folder: Path


def read_tests(fields: Fields, key: str, folder: Folder) -> tuple[TestForm, ...]:
    """The tests under a key, in the order of the file.

    Raises:
        MetapromptError: A file cannot be found or read, or is of a sort that is not supported.
    """
    if not fields.has(key):
        return ()
    node = fields.entries[key]
    reader = _Reader(folder, fields.where.path)
    if isinstance(node.value, dict):
        inner = fields_of(node, fields.where.path, key)
        if "path" not in inner.entries:
            hint = "write a list of tests, or a path"
            raise MetapromptError(f"{key} must be a list", where=inner.where, hint=hint)
        config = inner.mapping("config")
        return tuple(reader.named(inner.text("path") or "", inner.where, config=config))
    return tuple(form for item in fields.nodes(key) for form in reader.item(item))


@dataclass(frozen=True, slots=True)
class _Reader:
    folder: Folder
    shown: str

    def item(self, node: Marked) -> Iterator[TestForm]:
        where = Place(self.shown, node.line)
        if isinstance(node.value, str):
            yield from self.named(node.value, where)
        elif isinstance(node.value, dict) and set(node.value) <= {"path", "config"} and "path" in node.value:
            inner = fields_of(node, self.shown, "a test")
            yield from self.named(inner.text("path") or "", where, config=inner.mapping("config"))
        else:
            yield TestForm(fields_of(node, self.shown, "a test"), self.folder.path)

    def named(self, name: str, where: Place, *, config: Json = None) -> Iterator[TestForm]:
        if name.startswith(_REMOTE):
            raise MetapromptError(f"tests from {name} are not supported", where=where, hint="save them to a file")
        plain = name.removeprefix(FILE_PREFIX)
        reference = split_reference(plain, default="generate_tests")
        if reference is not None:
            path = self.folder.find(reference[0], what="the tests' file", where=where)
            arguments = (config,) if config else ()
            yield from self._listed(_as_json(call_function(path, reference[1], *arguments), where), path, where)
            return
        paths = self.folder.glob(plain)
        if not paths:
            raise MetapromptError(f"there is no file of tests {plain!r}", where=where)
        for path in paths:
            yield from self._file(path, where)

    def _file(self, path: Path, where: Place) -> Iterator[TestForm]:
        ending, shown = path.suffix.lower(), self.folder.shown(path)
        if ending == ".csv":
            for row in read_csv_tests(path, shown, self.folder.notes):
                yield TestForm(fields_of(row, shown, "a row"), self.folder.path)
        elif ending == ".jsonl":
            for number, line in enumerate(read_text(path).text.split("\n"), start=1):
                if line.strip():
                    value = marked(_parsed(line, Place(shown, number)), number)
                    yield TestForm(fields_of(value, shown, "a test"), path.parent)
        elif ending in (".yaml", ".yml", ".json"):
            node = read_nodes(path, shown)
            items = node.items() if isinstance(node.value, tuple) else (node,)
            for item in items:
                yield TestForm(fields_of(item, shown, "a test"), path.parent)
        else:
            hint = "known: .csv, .json, .jsonl, .yaml, .yml, .py"
            raise MetapromptError(f"tests cannot be read from {path.name}", where=where, hint=hint)

    def _listed(self, value: Json, path: Path, where: Place) -> Iterator[TestForm]:
        if not isinstance(value, list):
            raise MetapromptError(f"{path.name} returned no list of tests", where=where)
        for item in value:
            fields = fields_of(marked(item, 1), self.folder.shown(path), "a test")
            yield TestForm(fields, self.folder.path)


def _parsed(line: str, where: Place) -> Json:
    try:
        value: Json = json.loads(line)
    except ValueError as error:
        raise MetapromptError(f"not valid JSON: {error}", where=where) from None
    return value


def _as_json(value: object, where: Place) -> Json:
    try:
        parsed: Json = json.loads(json.dumps(value))
    except (TypeError, ValueError) as error:
        raise MetapromptError(f"the tests are not plain values: {error}", where=where) from None
    return parsed
