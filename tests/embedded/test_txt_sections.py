"""Several texts in a plain file: each is replaced alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_metaprompt.embedded.txt_sections import read_section, replace_section
from pytest_metaprompt.errors import RoutineError

FILE = "one {{a}}\n---\n\n two\nlines \n---\n---\n  --- not alone\n"
BODIES = st.text("ab-\u2028 \n", min_size=1).map(str.strip).filter(lambda body: body and "---" not in body)


def test_sections_are_counted_without_the_empty_ones() -> None:
    assert [read_section(FILE, index, "---") for index in range(3)] == ["one {{a}}", "two\nlines", "--- not alone"]


def test_a_section_that_is_not_there_says_how_many_there_are() -> None:
    with pytest.raises(RoutineError, match="there is no text 4: the file has 3"):
        read_section(FILE, 3, "---")


@pytest.mark.parametrize("new", ["a\n---\nb", "---", "", "  ", " padded"])
def test_a_text_that_would_be_other_sections_is_refused(new: str) -> None:
    with pytest.raises(RoutineError, match="would end the section"):
        replace_section(FILE, 1, "---", new)


@given(bodies=st.lists(BODIES, min_size=1, max_size=4), new=BODIES, data=st.data())
def test_a_replaced_section_reads_back_and_nothing_else_changes(
    bodies: list[str], new: str, data: st.DataObject
) -> None:
    text = "\n==\n\n".join(bodies) + "\n"
    index = data.draw(st.integers(0, len(bodies) - 1))
    changed = replace_section(text, index, "==", new)
    assert changed == "\n==\n\n".join(new if at == index else body for at, body in enumerate(bodies)) + "\n"
    assert replace_section(text, index, "==", bodies[index]) == text
