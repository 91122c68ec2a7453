"""CSV files: rows that know their lines, or every fault of the file."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_metaprompt.errors import MetapromptError, Place, SuiteFileError
from pytest_metaprompt.files import SourceText, read_text
from pytest_metaprompt.formats.rows import Row, raise_if_any
from pytest_metaprompt.formats.wording import shortened


@dataclass(frozen=True, slots=True)
class CsvForm:
    """How a CSV file is written. Without an encoding it is UTF-8, or what its byte order mark says."""

    delimiter: str = ","
    quotechar: str = '"'
    escapechar: str | None = None
    doublequote: bool = True
    encoding: str | None = None


@dataclass(frozen=True, slots=True)
class _Record:
    cells: list[str]
    line: int


def read_rows(path: Path, form: CsvForm, *, shown: str) -> tuple[Row, ...]:
    """The rows below the header line; blank lines are skipped, cells are kept as they are.

    Raises:
        SuiteFileError: The file is empty, its header is unclear, or it is no such table.
        MetapromptError: The file may not be read, or the form makes no sense.
    """
    _check_form(form)
    text = _decode(read_text(path), form.encoding, shown)
    records = list(_records(text, form, shown))
    if not records:
        raise SuiteFileError([MetapromptError("the file is empty", where=Place(shown), hint="give it a header line")])
    header = [name.strip() for name in records[0].cells]
    raise_if_any(_table_problems(records, header, shown))
    return tuple(Row(dict(zip(header, record.cells, strict=True)), record.line) for record in records[1:])


def _table_problems(records: list[_Record], header: list[str], shown: str) -> Iterator[MetapromptError]:
    yield from _header_problems(header, Place(shown, records[0].line))
    yield from (_ragged(record, header, shown) for record in records[1:] if len(record.cells) != len(header))
    if len(records) == 1:
        where = Place(shown, records[0].line)
        yield MetapromptError("there is no row below the header line", where=where)


def _check_form(form: CsvForm) -> None:
    special = [character for character in (form.delimiter, form.quotechar, form.escapechar) if character]
    if len(set(special)) < len(special) or set(special) & {"\r", "\n"}:
        raise MetapromptError("delimiter, quotechar and escapechar must differ, and none may be a line end")


def _decode(source: SourceText, encoding: str | None, shown: str) -> str:
    if encoding is None:
        return source.text
    try:
        text = source.raw.decode(encoding)
    except LookupError:
        hint = "such as utf-8, utf-16 or cp1252"
        raise MetapromptError(f"there is no encoding {encoding!r}", hint=hint) from None
    except ValueError:
        problem = MetapromptError(f"the file is not encoded in {encoding}", where=Place(shown))
        raise SuiteFileError([problem]) from None
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _records(text: str, form: CsvForm, shown: str) -> Iterator[_Record]:
    line = 1
    header: list[str] = []
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    try:
        reader = csv.reader(
            io.StringIO(text),
            delimiter=form.delimiter,
            quotechar=form.quotechar,
            escapechar=form.escapechar,
            doublequote=form.doublequote,
            strict=True,
        )
        for cells in reader:
            if cells:
                header = header or [name.strip() for name in cells]
                yield _Record(cells, line)
            line = reader.line_num + 1
    except csv.Error as error:
        hint = "check the quotes, and the csv settings in the suite"
        column = _open_column(text.split("\n", line - 1)[-1], form)
        name = f" in the column {header[column]!r}" if column < len(header) else ""
        problem = MetapromptError(f"not valid CSV{name}: {error}", where=Place(shown, line), hint=hint)
        raise SuiteFileError([problem]) from None


def _open_column(record: str, form: CsvForm) -> int:
    """The place of the cell in which the quotes go wrong, in a text that begins with its row."""
    quote, delimiter = re.escape(form.quotechar), re.escape(form.delimiter)
    escape = re.escape(form.escapechar) if form.escapechar else ""
    escaped = f"{escape}.|" if escape else ""
    doubled = f"{quote}{quote}|" if form.doublequote else ""
    in_quotes = f"{quote}(?:{escaped}{doubled}[^{quote}{escape}])*{quote}"
    bare = rf"(?!{quote})(?:{escaped}[^{delimiter}{escape}\n])*"
    cell, at, column = re.compile(f"(?:{in_quotes}|{bare}){delimiter}", re.DOTALL), 0, 0
    while found := cell.match(record, at):
        at, column = found.end(), column + 1
    return column


def _header_problems(header: list[str], where: Place) -> Iterator[MetapromptError]:
    for number, name in enumerate(header, start=1):
        if not name:
            yield MetapromptError(f"column {number} has no name in the header line", where=where)
    for name, count in Counter(header).items():
        if name and count > 1:
            yield MetapromptError(f"the header line names the column {name!r} {count} times", where=where)


def _ragged(record: _Record, header: list[str], shown: str) -> MetapromptError:
    message = f"the row has {len(record.cells)} cells, but the header line has {len(header)}"
    if len(record.cells) > len(header):
        hint = "put a cell that holds the delimiter in quotes"
        surplus = shortened(record.cells[len(header)])
        return MetapromptError(f"{message}: no column for {surplus!r}", where=Place(shown, record.line), hint=hint)
    return MetapromptError(f"{message}: none for {header[len(record.cells)]!r}", where=Place(shown, record.line))
