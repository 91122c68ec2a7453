from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_metaprompt.errors import MetapromptError, SuiteFileError
from pytest_metaprompt.formats.tables import CsvForm, Row, read_rows

cells = st.text(st.characters(codec="utf-8", exclude_characters="\r"))


def rows(path: Path, content: bytes, form: CsvForm = CsvForm()) -> tuple[Row, ...]:  # noqa: B008
    file = path / "t.csv"
    file.write_bytes(content)
    return read_rows(file, form, shown="t.csv")


def problems(path: Path, content: bytes, form: CsvForm = CsvForm()) -> list[str]:  # noqa: B008
    with pytest.raises(SuiteFileError) as caught:
        rows(path, content, form)
    return [str(problem) for problem in caught.value.problems]


def test_a_row_knows_the_line_it_starts_on(tmp_path: Path) -> None:
    found = rows(tmp_path, b'id,text\n\n1,"two\r\nlines"\r\n\r\n2, "a ""b"" \n3,')
    assert found == (
        Row({"id": "1", "text": "two\nlines"}, 3),
        Row({"id": "2", "text": ' "a ""b"" '}, 6),
        Row({"id": "3", "text": ""}, 7),
    )


@given(st.lists(st.tuples(cells, cells), min_size=1))
def test_what_the_csv_module_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, data: list[tuple[str, str]]
) -> None:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([("a", "b"), *data])
    found = rows(tmp_path_factory.getbasetemp(), text.getvalue().encode())
    assert [(row.cells["a"], row.cells["b"]) for row in found] == data


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_says_the_encoding(tmp_path: Path, encoding: str) -> None:
    assert rows(tmp_path, "ä\nö\n".encode(encoding)) == (Row({"ä": "ö"}, 2),)


def test_the_form_says_how_the_file_is_written(tmp_path: Path) -> None:
    form = CsvForm(delimiter=";", quotechar="'", escapechar="\\", encoding="latin-1")
    assert rows(tmp_path, "ä ; b\r\n'1;2';3\\;4\r\n".encode("latin-1"), form) == (Row({"ä": "1;2", "b": "3;4"}, 2),)


def test_a_byte_order_mark_goes_even_if_the_encoding_is_given(tmp_path: Path) -> None:
    assert rows(tmp_path, b"\xef\xbb\xbfa\n1", CsvForm(encoding="utf-8")) == (Row({"a": "1"}, 2),)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_a_problem(tmp_path: Path, content: bytes) -> None:
    assert problems(tmp_path, content) == ["t.csv: the file is empty (give it a header line)"]


def test_a_header_without_rows_is_a_problem(tmp_path: Path) -> None:
    assert problems(tmp_path, b"\na,b\n") == ["t.csv:2: there is no row below the header line"]


def test_all_faults_of_a_table_are_reported_together(tmp_path: Path) -> None:
    assert problems(tmp_path, b'a,,a, a\n1,2,3,4\n"1\n",2,3\n1,2,3,4,5\n') == [
        "t.csv:1: column 2 has no name in the header line",
        "t.csv:1: the header line names the column 'a' 3 times",
        "t.csv:3: the row has 3 cells, but the header line has 4: none for 'a'",
        "t.csv:5: the row has 5 cells, but the header line has 4: no column for '5' (put a cell that holds the "
        "delimiter in quotes)",
    ]


def test_a_quote_without_an_end_is_told_where_its_row_begins(tmp_path: Path) -> None:
    assert problems(tmp_path, b'a,b\n1,2\n3,"4\n5,6\n') == [
        "t.csv:3: not valid CSV in the column 'b': unexpected end of data (check the quotes, and the csv settings in "
        "the suite)"
    ]


@pytest.mark.parametrize(
    ("row", "column"),
    [('"a, ""b""",2,"c"d', "c"), ('a\\,b,"2"x,c', "b"), ('"a\n,b\\"",2,"c', "c"), ('"', "a")],
)
def test_the_column_of_a_slip_in_the_quotes_is_named(tmp_path: Path, row: str, column: str) -> None:
    [problem] = problems(tmp_path, f"a,b,c\n1,2,3\n{row}\n".encode(), CsvForm(escapechar="\\"))
    assert problem.startswith(f"t.csv:3: not valid CSV in the column {column!r}: ")


@pytest.mark.parametrize("form", [CsvForm(delimiter="\n"), CsvForm(delimiter='"'), CsvForm(escapechar=",")])
def test_settings_that_contradict_each_other_are_told(tmp_path: Path, form: CsvForm) -> None:
    with pytest.raises(MetapromptError) as caught:
        rows(tmp_path, b"a\n1\n", form)
    assert str(caught.value) == "delimiter, quotechar and escapechar must differ, and none may be a line end"


def test_an_unknown_encoding_is_told(tmp_path: Path) -> None:
    with pytest.raises(MetapromptError) as caught:
        rows(tmp_path, b"a\n1\n", CsvForm(encoding="utf-7000"))
    assert str(caught.value) == "there is no encoding 'utf-7000' (such as utf-8, utf-16 or cp1252)"


def test_another_encoding_than_the_given_one_is_told(tmp_path: Path) -> None:
    assert problems(tmp_path, b"\xff\n1\n", CsvForm(encoding="utf-8")) == ["t.csv: the file is not encoded in utf-8"]
