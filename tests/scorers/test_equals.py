import pytest

from .asking import call, judge, refusal


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("ORD-1", "ORD-1"),
        (42, "42"),
        (1.0, "1"),
        (0.5, "0.5"),
        (True, "true"),
        (False, "false"),
        (None, "null"),
        ("", ""),
    ],
)
def test_a_single_value_equals_the_text_that_javascript_writes(value, text):
    assert judge("equals", value, text).passed


@pytest.mark.parametrize(("value", "text"), [(True, "True"), (None, "None"), (1.0, "1.0"), (1, "true"), ("a", "a\n")])
def test_a_single_value_does_not_equal_another_text(value, text):
    assert not judge("equals", value, text).passed


def test_a_failure_shows_expected_and_got():
    assert judge("equals", "refund", "cancel").reason == "expected 'refund', got 'cancel'"


@pytest.mark.parametrize(
    ("expected", "got", "hint"),
    [
        ("a b", " a b\n", "they differ only in whitespace"),
        ("Yes", "yes", "they differ only in upper and lower case"),
        ("Yes", "yes\n", "they differ only in whitespace and in upper and lower case"),
        ("caf\u00e9", "cafe\u0301", "written with different Unicode characters"),
        ("ORD-1", "It is ORD-1.", "the reply contains it, with more around it"),
    ],
)
def test_a_near_miss_says_how_near(expected, got, hint):
    verdict = judge("equals", expected, got)
    assert not verdict.passed
    assert hint in verdict.reason


def test_a_plain_miss_has_no_hint():
    assert "(" not in judge("equals", "a", "b").reason


def test_long_texts_are_shown_around_the_place_where_they_part():
    reason = judge("equals", "x" * 5000 + "LEFT", "x" * 5000 + "RIGHT").reason
    assert "LEFT" in reason
    assert "RIGHT" in reason
    assert len(reason) < 400


def test_an_empty_reply_is_shown_as_empty():
    assert judge("equals", "a", "").reason == "expected 'a', got ''"


def test_a_reply_of_tool_calls_alone_is_shown_as_that():
    assert judge("equals", "a", calls=[call("refund")]).reason == "expected 'a', got no text, but a call of 'refund'"


def test_unicode_is_compared_to_the_letter():
    assert judge("equals", "Größe 🎉", "Größe 🎉").passed


def test_an_object_equals_the_json_of_the_reply_in_any_key_order_and_spacing():
    assert judge("equals", {"a": 1, "b": [True, None]}, ' {"b": [true, null],\n"a": 1.0} ').passed


@pytest.mark.parametrize("text", ['{"a": 2}', '{"a": true}', '{"a": "1"}', '{"a": 1, "b": 1}', "{}", "[]"])
def test_an_object_does_not_equal_another(text):
    assert not judge("equals", {"a": 1}, text).passed


def test_an_object_that_differs_names_the_path():
    assert judge("equals", {"a": [1, 2]}, '{"a": [1, 3]}').reason == "a[1]: expected 2, got 3"


def test_an_object_and_a_reply_that_is_not_json_simply_fail():
    verdict = judge("equals", {"a": 1}, "Sorry, no.")
    assert not verdict.passed
    assert verdict.reason.startswith("expected JSON: ")


def test_a_text_that_is_json_is_compared_as_text():
    assert not judge("equals", '{"a": 1}', '{"a":1}').passed


def test_an_object_that_json_cannot_hold_is_refused():
    assert "value holds NaN" in refusal("equals", {"a": float("nan")})
