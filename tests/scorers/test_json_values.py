from types import MappingProxyType

import pytest

from pytest_metaprompt.scorers.json_values import NotJsonError, Rules, is_finite, parse, plain, same


@pytest.mark.parametrize(("one", "other"), [(198, 198.0), (0, -0.0), (10**22, 1e22), ("é", "é"), ([], []), ({}, {})])
def test_the_same_values_are_the_same_both_ways(one, other):
    assert same(one, other)
    assert same(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        (0, False),
        (0, None),
        ("", None),
        (1, "1"),
        ([], {}),
        (2**53 + 1, 2.0**53),
        (10**400, 1e308),
        ("a", ["a"]),
    ],
)
def test_different_values_differ_both_ways(one, other):
    assert not same(one, other)
    assert not same(other, one)


def test_the_tolerance_is_counted_in_decimal_digits():
    assert same(1.0, 1.1, Rules(tolerance=0.1))
    assert not same(1.0, 1.1000001, Rules(tolerance=0.1))


def test_a_thousand_alike_items_in_any_order_are_paired_quickly():
    assert same([1] * 1000, [1.0] * 1000, Rules(any_order=True))
    assert not same([1] * 1000, [1] * 999 + [2], Rules(any_order=True))


def test_of_a_repeated_key_the_last_value_counts():
    assert parse('{"a": 1, "a": 2}') == {"a": 2}


def test_text_around_json_is_told_from_broken_json():
    with pytest.raises(NotJsonError, match="text around"):
        parse('Here: [1, {"a": 2}]')
    with pytest.raises(NotJsonError, match="Expecting"):
        parse("[1, ")


def test_a_plain_copy_shares_nothing_with_the_value():
    value = {"a": [{"b": 1}]}
    copy = plain(value)
    copy["a"][0]["b"] = 2
    assert value == {"a": [{"b": 1}]}


def test_frozen_containers_become_plain_ones():
    assert plain(MappingProxyType({"a": (1, (2,))})) == {"a": [1, [2]]}


def test_nan_is_found_at_any_depth():
    assert not is_finite({"a": [1, {"b": float("nan")}]})
    assert is_finite({"a": [1, "NaN", None, True]})
