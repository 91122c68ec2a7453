"""Tables and sentences of a given width."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_metaprompt.reports.text_tables import sentence_lines, table_lines

HEADING = ("suite", "target", "passed", "accuracy (95 %)", "time")
ROW = ("evals/orders.metaprompt.yaml", "openai:small", "29/40", "0.72 (0.57-0.84)", "4.1 s")


def test_what_fits_stands_in_one_line() -> None:
    assert list(table_lines([HEADING, ROW], names=2, width=120)) == [
        "suite                         target        passed  accuracy (95 %)   time",
        "evals/orders.metaprompt.yaml  openai:small  29/40   0.72 (0.57-0.84)  4.1 s",
    ]


def test_what_does_not_fit_is_stacked_below_its_names() -> None:
    assert list(table_lines([HEADING, ROW], names=2, width=50)) == [
        "suite                         target",
        "  passed  accuracy (95 %)   time",
        "evals/orders.metaprompt.yaml  openai:small",
        "  29/40   0.72 (0.57-0.84)  4.1 s",
    ]


def test_a_name_that_is_too_long_loses_its_beginning() -> None:
    lines = list(
        table_lines([("suite", "target", "passed"), ("a/" * 40 + "x.yaml", "echo:", "1/2")], names=2, width=40)
    )
    assert lines[2].startswith("...")
    assert lines[2].endswith("/a/a/x.yaml")
    assert len(lines[2]) <= 40
    assert lines[3] == "  echo:   1/2"


@given(
    rows=st.integers(1, 7).flatmap(
        lambda columns: st.lists(st.lists(st.text("abc/", max_size=90), min_size=columns, max_size=columns), min_size=1)
    ),
    width=st.integers(40, 130),
)
def test_no_line_is_wider_than_the_terminal_and_no_cell_is_lost(rows: list[list[str]], width: int) -> None:
    lines = list(table_lines(rows, names=min(2, len(rows[0])), width=width))
    assert all(len(line) <= width for line in lines)
    whole = "\n".join(lines)
    assert all(cell in whole for row in rows for cell in row if len(cell) <= 30)


def test_a_sentence_breaks_between_words_and_a_path_stays_whole() -> None:
    path = "/a/very/long/path/that/is/wider/than/the/line.html"
    assert sentence_lines(f"report written to {path}", 30) == ["report written to", f"  {path}"]
    assert sentence_lines("as long as it likes to be", None) == ["as long as it likes to be"]
