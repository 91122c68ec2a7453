"""A text in JSON: it reads back, keeps the spelling of what did not change, and nothing else changes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_metaprompt.embedded.json_strings import read_string, replace_string
from pytest_metaprompt.errors import RoutineError

TEXTS = st.text(max_size=30).filter(lambda text: text.isascii() or text.encode("utf-8", "ignore").decode() == text)
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def texts_in(value: Any, keys: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, str):
        return [keys]
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, one in pairs for found in texts_in(one, (*keys, key))]


def put(value: Any, keys: tuple[Any, ...], new: str) -> Any:
    if not keys:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[keys[0]] = put(value[keys[0]], keys[1:], new)
    return copy


@given(tree=TREES, new=TEXTS, indent=st.sampled_from([None, 1, 4]), ascii_only=st.booleans(), data=st.data())
def test_a_replaced_text_reads_back_and_nothing_else_changes(
    tree: Any, new: str, indent: int | None, ascii_only: bool, data: st.DataObject
) -> None:
    tree = {"first": "text", "rest": tree}
    text = json.dumps(tree, indent=indent, ensure_ascii=ascii_only)
    keys = data.draw(st.sampled_from(texts_in(tree)))
    changed = replace_string(text, keys, new)
    assert json.loads(changed) == put(tree, keys, new)
    assert read_string(changed, keys) == new
    assert replace_string(text, keys, read_string(text, keys)) == text
    assert replace_string(changed, keys, read_string(text, keys)).count("\n") == text.count("\n")


def test_numbers_escapes_and_layout_stay() -> None:
    text = '{ "n" : 1.50, "a":["x\\u00e9 \\/ old" , 1e3],\n\t"b": "\\ud83c\\udf4c" }\n'
    wanted = '{ "n" : 1.50, "a":["x\\u00e9 \\/ new\\n" , 1e3],\n\t"b": "\\ud83c\\udf4c" }\n'
    assert replace_string(text, ("a", 0), "xé / new\n") == wanted


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1}', "a must be a text"),
        ('{"b": "x"}', "there is no a in it"),
        ("{", "not valid JSON"),
        ('{"a": "x",}', "not valid JSON"),
        ("[" * 200 + "]" * 200, "nested more than 100 levels deep"),
    ],
)
def test_what_cannot_be_replaced_says_why(text: str, reason: str) -> None:
    with pytest.raises(RoutineError, match=reason):
        replace_string(text, ("a",), "new")
