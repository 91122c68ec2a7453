from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_metaprompt.errors import SuiteFileError
from pytest_metaprompt.formats.records import read_json, read_json_lines, read_yaml
from pytest_metaprompt.formats.rows import Row

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=6)
tables = st.lists(st.dictionaries(st.text(), values, min_size=1), min_size=1)


def put(path: Path, content: str | bytes) -> Path:
    file = path / "d"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def problems(read: Callable[[], object]) -> list[str]:
    with pytest.raises(SuiteFileError) as caught:
        read()
    return [str(problem) for problem in caught.value.problems]


@settings(deadline=None)
@given(tables)
def test_json_lines_are_read_back_with_their_lines(
    tmp_path_factory: pytest.TempPathFactory, table: list[dict[str, object]]
) -> None:
    file = put(tmp_path_factory.getbasetemp(), "\n\n".join(json.dumps(row, ensure_ascii=False) for row in table))
    found = read_json_lines(file, shown="d")
    assert [row.cells for row in found] == table
    assert [row.line for row in found] == [2 * at + 1 for at in range(len(table))]


@settings(deadline=None)
@given(tables, st.sampled_from([None, 0, 2]), st.lists(st.text(min_size=1), max_size=2))
def test_a_json_list_is_read_back_wherever_it_stands(
    tmp_path_factory: pytest.TempPathFactory, table: list[dict[str, object]], indent: int | None, keys: list[str]
) -> None:
    document: object = table
    for key in reversed(keys):
        document = {"before": [1, {"a": "]}"}], key: document}
    text = json.dumps(document, indent=indent)
    if "before" in keys or any("." in key for key in keys):
        return
    found = read_json(put(tmp_path_factory.getbasetemp(), text), ".".join(keys) or None, shown="d")
    assert [row.cells for row in found] == table
    lines = text.split("\n")
    assert all(lines[row.line - 1].lstrip().startswith(("{", "[", '"')) for row in found)


def test_rows_of_json_and_yaml_know_the_lines_they_start_on(tmp_path: Path) -> None:
    text = '{\n "note": [\n  "x"],\n "data": {"rows": [\n  {"a": 1},\n\n  {"a": [\n   2]}\n ]}\n}\n'
    assert read_json(put(tmp_path, text), "data.rows", shown="d") == (Row({"a": 1}, 5), Row({"a": [2]}, 7))
    assert read_yaml(put(tmp_path, text), "data.rows", shown="d") == (Row({"a": 1}, 5), Row({"a": [2]}, 7))
    assert read_yaml(put(tmp_path, "- a: Yes\n# x\n- a:\n    b: 1\n"), None, shown="d") == (
        Row({"a": "Yes"}, 1),
        Row({"a": {"b": 1}}, 3),
    )


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_other_encodings_are_read(tmp_path: Path, encoding: str) -> None:
    assert read_json_lines(put(tmp_path, '{"a": "ä"}\r\n'.encode(encoding)), shown="d") == (Row({"a": "ä"}, 1),)


def test_every_bad_line_is_told_with_its_column(tmp_path: Path) -> None:
    text = '{"a": 1}\n{"a": \'x\'}\n{"a": 1} {}\n{"a": NaN}\n'
    assert problems(lambda: read_json_lines(put(tmp_path, text), shown="d")) == [
        "d:2: not valid JSON: Expecting value at column 7 (JSON has double quotes only)",
        "d:3: not valid JSON: Extra data at column 10 (a .jsonl file holds one value a line, a .json file one "
        "value in all)",
        "d:4: not valid JSON: NaN is a number that JSON cannot hold at column 7",
    ]
    assert problems(lambda: read_json_lines(put(tmp_path, '{"a": 1}\n5\n[]\n{}\n'), shown="d") or None) == [
        'd:2: a row must be a mapping, not 5 (such as {"question": "...", "answer": "..."})',
        'd:3: a row must be a mapping, not an empty list (such as {"question": "...", "answer": "..."})',
        'd:4: the row is an empty mapping (such as {"question": "...", "answer": "..."})',
    ]


def test_a_file_of_the_wrong_kind_is_not_told_line_by_line(tmp_path: Path) -> None:
    assert len(problems(lambda: read_json_lines(put(tmp_path, "a,b\n" * 5000), shown="d"))) == 20


@pytest.mark.parametrize(
    ("text", "key", "problem"),
    [
        ('[{"a": 1},\n {"a" 2}]', None, "d:2: not valid JSON: Expecting ':' delimiter at column 7"),
        ('{"n": 1, "examples": []}', None, "d: the file holds a mapping, not a list of rows (add  key: examples  "
         "beside dataset)"),
        ('{"x": {"rows": []}}', "x", "d: 'x' in the file holds a mapping, not a list of rows (add  key: x.rows  beside "
         "dataset)"),
        ('{"rows": []}', "row", "d: there is no 'row' in the file (add  key: rows  beside dataset)"),
        ('{"rows": []}', "rows", "d: there is no row in the file"),
        ('[{"a": 1}]', "rows", "d: there is no 'rows' in the file (a data set is a list of mappings)"),
        ('"text"', None, "d: the file holds the text 'text', not a list of rows (a data set is a list of mappings)"),
    ],
)  # fmt: skip
def test_a_json_file_without_rows_is_told(tmp_path: Path, text: str, key: str | None, problem: str) -> None:
    assert problems(lambda: read_json(put(tmp_path, text), key, shown="d")) == [problem]


def test_a_yaml_file_that_is_broken_is_told(tmp_path: Path) -> None:
    (problem,) = problems(lambda: read_yaml(put(tmp_path, "- a: 1\n- b: [\n"), None, shown="d"))
    assert problem.startswith("d:3: not valid YAML")
    assert problems(lambda: read_yaml(put(tmp_path, "- {a: 1, a: 2}\n"), None, shown="d")) == [
        "d:1: the key 'a' is given twice, first on line 1"
    ]


def test_a_key_may_hold_dots_itself(tmp_path: Path) -> None:
    assert read_json(put(tmp_path, '{"a.b": {"c": [{"d": 1}]}}'), "a.b.c", shown="d") == (Row({"d": 1}, 1),)
