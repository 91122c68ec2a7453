"""Assertions in a cell of a table, held to what promptfoo makes of the same cells."""

import csv
import json
from pathlib import Path

import pytest

from pytest_metaprompt.formats.assertion_text import read_assertion_text

ORACLE = Path(__file__).parents[3] / "shared" / "data" / "promptfoo"


def recorded():
    """Each cell with the assertion that promptfoo made of it, where it came so far."""
    if not ORACLE.exists():
        return []
    with (ORACLE / "cases/p-csv/t.csv").open(encoding="utf-8", newline="") as file:
        cells = [row["__expected"] for row in csv.DictReader(file)]
    results = json.loads((ORACLE / "oracle/p-csv.json").read_text(encoding="utf-8"))["results"]
    return [(cell, result["asserts"][0]) for cell, result in zip(cells, results, strict=True) if result["asserts"]]


@pytest.mark.skipif(not ORACLE.exists(), reason="promptfoo's results are not here")
@pytest.mark.parametrize(("cell", "made"), recorded(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_cell_means_what_it_means_to_promptfoo(cell, made):
    found = read_assertion_text(cell)
    assert (found.type, found.value, found.threshold) == (made["type"], made["value"], made.get("threshold"))


def test_enough_cells_are_held_to_it():
    assert not ORACLE.exists() or len(recorded()) == 46


@pytest.mark.parametrize(
    ("cell", "type_", "value", "threshold"),
    [
        ("contains-any: a, b", "contains-any", ["a", "b"], None),
        ("not-levenshtein(3): abc", "not-levenshtein", "abc", 3.0),
        ("levenshtein(0): abc", "levenshtein", "abc", 0.75),
        ("similar:cosine(0.8): x", "similar:cosine", "x", None),
        ("contains: two\nlines", "contains", "two\nlines", None),
        ("grade: is kind", "llm-rubric", "is kind", None),
        ("file://check.py:fn", "python", "file://check.py:fn", None),
        ("contains(x): a", "equals", "contains(x): a", None),
    ],
)
def test_the_forms_of_a_cell(cell, type_, value, threshold):
    found = read_assertion_text(cell)
    assert (found.type, found.value, found.threshold) == (type_, value, threshold)


@pytest.mark.parametrize("cell", ["levenshtein: abc", "latency", "not-cost"])
def test_a_threshold_that_hardly_anybody_means_is_warned_of(cell):
    assert "means a threshold of 0.75" in read_assertion_text(cell).warning
    assert read_assertion_text(cell.replace("levenshtein:", "levenshtein(2):")).warning is None or ":" not in cell


def test_no_other_cell_is_warned_of():
    assert read_assertion_text("contains: a").warning is None
    assert read_assertion_text("rouge-n: a").warning is None
