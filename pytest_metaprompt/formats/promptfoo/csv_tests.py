"""Tests in CSV: columns that begin with `__` say what promptfoo's do, every other is a var."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from pytest_metaprompt.errors import MetapromptError, Place, SuiteFileError
from pytest_metaprompt.files import read_text
from pytest_metaprompt.formats.assertion_text import read_assertion_text
from pytest_metaprompt.formats.marked import Marked, marked
from pytest_metaprompt.suites import Json

_EXPECTED = re.compile(r"__expected(\d*)")
_CONFIG = re.compile(r"__config:__expected(\d*):threshold")
_METADATA = re.compile(r"__metadata:(.+?)(\[\])?")
_SLIP = re.compile(r"_(expected\d*|prefix|suffix|description|providerOutput|metric|threshold)")
_ITEM = re.compile(r"(?<!\\),")


def read_csv_tests(path: Path, shown: str, notes: list[str]) -> tuple[Marked, ...]:
    """The rows of a CSV file as tests. What its author can hardly have meant is added to the notes.

    Raises:
        SuiteFileError: It is no table.
    """
    text = read_text(path).text
    delimiter = os.environ.get("PROMPTFOO_CSV_DELIMITER", ",")
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    try:
        header = [name.strip() for name in next(reader, [])]
        rows = [(reader.line_num, cells) for cells in reader]
    except csv.Error as error:
        raise SuiteFileError([MetapromptError(f"not valid CSV: {error}", where=Place(shown))]) from None
    if not header:
        raise SuiteFileError([MetapromptError("the file is empty", where=Place(shown))])
    notes += [
        f"{shown}: the column {name!r} is a var; did you mean '_{name}'?" for name in header if _SLIP.fullmatch(name)
    ]
    tests = []
    for number, (line, cells) in enumerate(rows, start=1):
        tests.append(_test(header, _checked(cells, header, Place(shown, line)), number, Place(shown, line), notes))
    return tuple(tests)


def _checked(cells: list[str], header: list[str], where: Place) -> Mapping[str, str]:
    cells = cells or [""]  # a blank line is an empty cell in a table of one column
    if len(cells) != len(header):
        message = f"the row has {len(cells)} cells, but the header line has {len(header)}"
        raise SuiteFileError([MetapromptError(message, where=where)])
    return dict(zip(header, cells, strict=True))


def _test(header: list[str], cells: Mapping[str, str], number: int, where: Place, notes: list[str]) -> Marked:
    special = {name: cells[name] for name in header if name.startswith("__")}
    test: dict[str, Json] = {
        "description": special.get("__description") or f"Row #{number}",
        "vars": {name: cell for name, cell in cells.items() if name not in special},
        "assert": list(_assertions(special, where, notes)),
    }
    options = {key: special[f"__{key}"] for key in ("prefix", "suffix") if special.get(f"__{key}")}
    metadata = dict(_metadata(special))
    for key, value in (
        ("options", options),
        ("metadata", metadata),
        ("providerOutput", special.get("__providerOutput")),
    ):
        if value:
            test[key] = value
    if special.get("__threshold", "").strip():
        test["threshold"] = _number(special["__threshold"], "__threshold", where)
    return marked(test, where.line or 1)


def _assertions(special: Mapping[str, str], where: Place, notes: list[str]) -> Iterator[Json]:
    thresholds = dict(_thresholds(special, where))
    expected = [cell for name, cell in special.items() if _EXPECTED.fullmatch(name) and cell.strip()]
    for index, cell in enumerate(expected):
        read = read_assertion_text(cell)
        threshold = thresholds.get(index, read.threshold)
        if read.warning is not None and index not in thresholds:
            notes.append(f"{where}: {read.warning}")
        found: dict[str, Json] = {"type": read.type}
        if read.value is not None:
            found["value"] = read.value
        if threshold is not None:
            found["threshold"] = threshold
        if "__metric" in special:
            found["metric"] = special["__metric"]
        yield found


def _thresholds(special: Mapping[str, str], where: Place) -> Iterator[tuple[int, float]]:
    """By the place among the cells of `__expected` that are not empty, from 0."""
    for name, cell in special.items():
        match = _CONFIG.fullmatch(name)
        if match:
            yield int(match[1] or 1) - 1, _number(cell, name, where)


def _metadata(special: Mapping[str, str]) -> Iterator[tuple[str, Json]]:
    for name, cell in special.items():
        match = _METADATA.fullmatch(name)
        if match and cell:
            items: Json = [item.replace("\\,", ",").strip() for item in _ITEM.split(cell)]
            yield match[1], items if match[2] else cell


def _number(cell: str, name: str, where: Place) -> float:
    try:
        return float(cell)
    except ValueError:
        raise SuiteFileError([MetapromptError(f"{name} must be a number, not {cell!r}", where=where)]) from None
