"""A data set of a suite: each row of its file, with the keys beside `dataset` as a template, is one case."""

from __future__ import annotations

import hashlib
import heapq
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pytest_metaprompt.errors import MetapromptError, Place
from pytest_metaprompt.formats.cases import CaseForm
from pytest_metaprompt.formats.filling import Filling
from pytest_metaprompt.formats.marked import Marked, marked
from pytest_metaprompt.formats.nearby import find_file
from pytest_metaprompt.formats.problems import Problems, shown_path
from pytest_metaprompt.formats.records import read_json, read_json_lines, read_yaml
from pytest_metaprompt.formats.rows import Row
from pytest_metaprompt.formats.settings import Section
from pytest_metaprompt.formats.tables import CsvForm, read_rows
from pytest_metaprompt.suites import Json
from pytest_metaprompt.templates import placeholders

_INPUT = "input"
_IDEAL = "ideal"


@dataclass(frozen=True, slots=True)
class _Source:
    """A data set's file, and how to read it."""

    path: Path
    shown: str
    settings: Section = field(default_factory=Section)

    @property
    def key(self) -> str | None:
        return self.settings.text("key")

    def csv_form(self, delimiter: str) -> CsvForm:
        found = {key: node.plain() for key, node in self.settings.section("csv").entries.items()}
        texts = {key: value for key, value in found.items() if isinstance(value, str)}
        return CsvForm(**{"delimiter": delimiter, **texts}, doublequote=found.get("doublequote") is not False)


_READERS: Mapping[str, Callable[[_Source], tuple[Row, ...]]] = {
    ".csv": lambda source: read_rows(source.path, source.csv_form(","), shown=source.shown),
    ".tsv": lambda source: read_rows(source.path, source.csv_form("\t"), shown=source.shown),
    ".json": lambda source: read_json(source.path, source.key, shown=source.shown),
    ".jsonl": lambda source: read_json_lines(source.path, shown=source.shown),
    ".ndjson": lambda source: read_json_lines(source.path, shown=source.shown),
    ".yaml": lambda source: read_yaml(source.path, source.key, shown=source.shown),
    ".yml": lambda source: read_yaml(source.path, source.key, shown=source.shown),
}
_ONLY_FOR: Mapping[str, tuple[str, ...]] = {"csv": (".csv", ".tsv"), "key": (".json", ".yaml", ".yml")}


def expand_dataset(
    node: Marked, defaults: Mapping[str, Json], *, folder: Path, root: Path, problems: Problems
) -> Iterator[CaseForm]:
    """The forms of a data set's cases; none, and a problem noted, where its file cannot be used."""
    entries = node.mapping()
    settings = Section(entries, node.key_lines)
    if _has_constant_id(entries):
        hint = 'put a column into it, such as id: "{{column}}"'
        problems.add(problems.at(node.key_lines["id"]), "the id is the same for every row", hint=hint)
        return
    with problems.noting(problems.at(node.key_lines["dataset"])):
        path = _find_dataset(entries["dataset"].text(), folder)
        _check_settings(settings, path, problems)
        shown = shown_path(path, root)
        for row in _chosen(_READERS[path.suffix.lower()](_Source(path, shown, settings)), settings):
            where = Place(shown, row.line)
            filling = Filling({**defaults, **row.cells}, problems, where, shared=True)
            own = {**row.cells, **_more_vars(entries, filling)}
            yield CaseForm(_template(entries, row, node), node.key_lines, own, where, stem=path.stem, from_row=True)


def _find_dataset(name: str, folder: Path) -> Path:
    if Path(name).suffix.lower() not in _READERS:
        raise MetapromptError(f"the dataset {name!r} must end in {', '.join(_READERS)}")
    return find_file(name, folder, what="the dataset")


def _check_settings(settings: Section, path: Path, problems: Problems) -> None:
    for key, endings in _ONLY_FOR.items():
        if key in settings.entries and path.suffix.lower() not in endings:
            hint = f"it is for {', '.join(endings)}"
            problems.add(problems.at(settings.key_lines[key]), f"{key} says nothing about {path.name!r}", hint=hint)
    if "seed" in settings.entries and "limit" not in settings.entries:
        where = problems.at(settings.key_lines["seed"])
        problems.add(where, "seed draws rows only where there is a limit", hint="add  limit: 100")


def _has_constant_id(entries: Mapping[str, Marked]) -> bool:
    if "id" not in entries:
        return False
    written = entries["id"].value
    return not (isinstance(written, str) and placeholders(written))


def _chosen(rows: tuple[Row, ...], settings: Section) -> tuple[Row, ...]:
    """All rows, the first ones, or some drawn by a seed, in the order of the file.

    A row is drawn for what it says, not for its place, so that a changed order draws the same and a new row changes
    the draw by one row at most.
    """
    limit, seed = settings.whole("limit"), settings.whole("seed")
    if limit is None or seed is None or limit >= len(rows):
        return rows[:limit]
    drawn = heapq.nsmallest(limit, range(len(rows)), key=lambda at: _lot(rows[at], seed))
    return tuple(rows[at] for at in sorted(drawn))


def _lot(row: Row, seed: int) -> str:
    return hashlib.sha256(f"{seed} {json.dumps(row.cells, sort_keys=True)}".encode()).hexdigest()


def _template(entries: Mapping[str, Marked], row: Row, node: Marked) -> Mapping[str, Marked]:
    """The keys beside `dataset`, completed for samples of OpenAI Evals: rows with `input` and `ideal`."""
    if not (_INPUT in row.cells and _IDEAL in row.cells):
        return entries
    more: dict[str, Marked] = {}
    if not {"input", "messages"} & entries.keys():
        more["messages" if isinstance(row.cells[_INPUT], list) else "input"] = marked("{{input}}", node.line)
    if not {"expect", "assert"} & entries.keys():
        more["assert"] = marked([{"type": "evals-match", "value": "{{ideal}}"}], node.key_lines["dataset"])
    return {**more, **entries}


def _more_vars(entries: Mapping[str, Marked], filling: Filling) -> Mapping[str, Json]:
    return {key: filling.json(node) for key, node in entries["vars"].mapping().items()} if "vars" in entries else {}
