"""A data set of a suite: each row of its table, with the keys beside `dataset` as a template, is one case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from pytest_metaprompt.errors import MetapromptError, Place
from pytest_metaprompt.formats.cases import CaseForm
from pytest_metaprompt.formats.filling import Filling
from pytest_metaprompt.formats.marked import Marked
from pytest_metaprompt.formats.nearby import find_file
from pytest_metaprompt.formats.problems import Problems, shown_path
from pytest_metaprompt.formats.tables import CsvForm, read_rows
from pytest_metaprompt.suites import Json
from pytest_metaprompt.templates import placeholders


def expand_dataset(
    node: Marked, defaults: Mapping[str, Json], *, folder: Path, root: Path, problems: Problems
) -> Iterator[CaseForm]:
    """The forms of a data set's cases; none, and a problem noted, where its file cannot be used."""
    if _has_constant_id(entries := node.mapping()):
        hint = 'put a column into it, such as id: "{{column}}"'
        problems.add(problems.at(node.key_lines["id"]), "the id is the same for every row", hint=hint)
        return
    with problems.noting(problems.at(node.key_lines["dataset"])):
        path = _find_table(entries["dataset"].text(), folder)
        shown = shown_path(path, root)
        for row in read_rows(path, _csv_form(entries), shown=shown):
            where = Place(shown, row.line)
            filling = Filling({**defaults, **row.cells}, problems, where, shared=True)
            own = {**row.cells, **_more_vars(entries, filling)}
            yield CaseForm(entries, node.key_lines, own, where, stem=path.stem, from_row=True)


def _find_table(name: str, folder: Path) -> Path:
    if not name.endswith(".csv"):
        raise MetapromptError(
            f"the dataset {name!r} is of a kind that is not supported yet", hint="so far it is .csv only"
        )
    return find_file(name, folder, what="the dataset")


def _has_constant_id(entries: Mapping[str, Marked]) -> bool:
    if "id" not in entries:
        return False
    written = entries["id"].value
    return not (isinstance(written, str) and placeholders(written))


def _csv_form(entries: Mapping[str, Marked]) -> CsvForm:
    settings = entries["csv"].mapping() if "csv" in entries else {}
    return CsvForm(**{key: node.text() for key, node in settings.items()})


def _more_vars(entries: Mapping[str, Marked], filling: Filling) -> Mapping[str, Json]:
    return {key: filling.json(node) for key, node in entries["vars"].mapping().items()} if "vars" in entries else {}
