"""Values as JavaScript has them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_metaprompt.js_values import as_number, js_equal, js_json, js_number, js_text, js_truthy


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"), (1.5, "1.5"), (-0.0, "0"), (1e21, "1e+21"), (1e-7, "1e-7"), (0.000001, "0.000001"),
        (2**53 + 1, "9007199254740992"), (12345678901234567890, "12345678901234567000"), (math.inf, "Infinity"),
        (math.nan, "NaN"), (True, "true"), (None, "null"), ([1, None, ["a"]], "1,,a"), ({"a": 1}, "[object Object]"),
    ],
)  # fmt: skip
def test_values_print_as_javascript_prints_them(value: object, text: str) -> None:
    assert js_text(value) == text


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        (3, "3", True), (3, "4", False), (True, 1, True), ("", 0, True), (None, 0, False), (None, None, True),
        ([1], "1", True), ([1], [1], False), ("a", "a", True), ("x", math.nan, False),
    ],
)  # fmt: skip
def test_loose_equality_is_javascripts(left: object, right: object, equal: bool) -> None:
    assert js_equal(left, right) is equal
    assert js_equal(right, left) is equal


def test_empty_lists_and_mappings_are_true() -> None:
    assert [js_truthy(value) for value in ([], {}, "", 0, None, math.nan, "0", False, -1)] == [
        True, True, False, False, False, False, True, False, True,
    ]  # fmt: skip


def test_json_is_compact_and_holds_no_infinity() -> None:
    assert js_json({"a": [1.0, math.inf], "é": True}) == '{"a":[1,null],"é":true}'
    assert js_json({"a": []}, indent=2) == '{\n  "a": []\n}'


@given(st.integers(-(2**53), 2**53))
def test_whole_numbers_that_a_double_holds_stay_as_they_are(number: int) -> None:
    assert js_number(number) == number
    assert as_number(js_text(number)) == number
