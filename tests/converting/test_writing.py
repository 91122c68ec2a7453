from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_metaprompt.converting.writing import dump, routine_text
from pytest_metaprompt.errors import RoutineError
from pytest_metaprompt.formats.marked import read_marked
from pytest_metaprompt.routines import parse_routine
from pytest_metaprompt.suites import Message

SLIPS = st.sampled_from(
    ["1e5", "0o17", "Yes", "12:30", "1_000", "a\nb\n", "a\n\n  b", " x\ny", "x \ny", "a\x85b\nc", "~"]
)
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"])) | SLIPS
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
keys = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=100)
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=8)


@settings(deadline=None)
@given(st.dictionaries(keys, values, min_size=1))
def test_what_is_written_is_read_back(value: dict[str, object]) -> None:
    assert read_marked(dump(value), "f").root.plain() == value


def test_texts_of_several_lines_are_blocks_in_the_order_given() -> None:
    assert dump({"b": "one\ntwo\n", "a": [{"x": "1e5"}, {"y": "Yes"}]}) == (
        "b: |\n  one\n  two\na:\n  - x: '1e5'\n  - y: 'Yes'\n"
    )


def test_a_prompt_becomes_a_prompty_file() -> None:
    prompt = (Message("developer", " Be brief.\n"), Message("user", "A: {{input}}\n\nsystem: x"))
    text = routine_text(prompt, name="orders")
    assert text == "---\nname: orders\n---\nsystem:\nBe brief.\n\nuser:\nA: {{input}}\n\nsystem: x\n"
    assert [part.text for part in parse_routine(text, name="r", form="chat").parts] == [
        "Be brief.",
        "A: {{input}}\n\nsystem: x",
    ]
    assert yaml.safe_load(text.split("---")[1]) == {"name": "orders"}


def test_a_message_that_would_open_another_is_refused() -> None:
    with pytest.raises(RoutineError, match="would open another one"):
        routine_text((Message("user", "a\nsystem:\nb"),), name="r")
