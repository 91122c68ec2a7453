"""Tables and sentences of a given width."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_metaprompt.reports.text_tables import columns_of, cut_end, cut_start, sentence_lines, table_lines

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
        lambda columns: st.lists(
            st.lists(st.text("abc/\u6ce8\U0001f600", max_size=90), min_size=columns, max_size=columns), min_size=1
        )
    ),
    width=st.integers(40, 130),
)
def test_no_line_is_wider_than_the_terminal_and_no_cell_is_lost(rows: list[list[str]], width: int) -> None:
    lines = list(table_lines(rows, names=min(2, len(rows[0])), width=width))
    assert all(columns_of(line) <= width for line in lines)
    whole = "\n".join(lines)
    assert all(cell in whole for row in rows for cell in row if columns_of(cell) <= 30)


def test_a_sentence_breaks_between_words_and_a_path_stays_whole() -> None:
    path = "/a/very/long/path/that/is/wider/than/the/line.html"
    assert sentence_lines(f"report written to {path}", 30) == ["report written to", f"  {path}"]
    assert sentence_lines("as long as it likes to be", None) == ["as long as it likes to be"]


def test_letters_that_take_two_columns_are_counted_as_two() -> None:
    assert list(
        table_lines([("suite", "passed"), ("\u6ce8\u6587.yaml", "1/2"), ("ab\u0301", "0/1")], names=1, width=40)
    ) == [
        "suite      passed",
        "\u6ce8\u6587.yaml  1/2",
        "ab\u0301         0/1",
    ]
    assert cut_end("\u6ce8" * 30, 41) == "\u6ce8" * 19 + "..."
    assert cut_start("\u6ce8" * 30, 41) == "..." + "\u6ce8" * 19
    assert sentence_lines("\u6ce8\u6587 \u6ce8\u6587 \u6ce8\u6587", 10) == [
        "\u6ce8\u6587 \u6ce8\u6587",
        "  \u6ce8\u6587",
    ]


def test_a_field_keeps_the_gap_behind_its_name() -> None:
    assert sentence_lines("  reason    it was not\nproved at all", 24, indent=" " * 12) == [
        "  reason    it was not",
        "            proved at",
        "            all",
    ]
