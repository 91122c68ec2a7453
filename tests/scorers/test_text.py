import pytest

from .asking import judge, refusal

TYPES = ["contains", "icontains", "starts-with"]


@pytest.mark.parametrize(
    ("type_", "value", "text"),
    [
        ("contains", "30 days", "within 30 days."),
        ("contains", 30, "within 30 days"),
        ("contains", 1.0, "1 day"),
        ("contains", "é", "café"),
        ("icontains", "REFUND", "a refund"),
        ("icontains", "ÉTÉ", "l'été"),
        ("starts-with", "Dear", "Dear Ann"),
    ],
)
def test_the_text_is_found(type_, value, text):
    assert judge(type_, value, text).passed


@pytest.mark.parametrize(
    ("type_", "value", "text"),
    [
        ("contains", "refund", "Refund"),
        ("contains", "a", ""),
        ("icontains", "refund", "re fund"),
        ("starts-with", "Dear", " Dear"),
        ("starts-with", "Dear", "dear"),
    ],
)
def test_the_text_is_not_found(type_, value, text):
    verdict = judge(type_, value, text)
    assert not verdict.passed
    assert repr(value) in verdict.reason
    assert repr(text) in verdict.reason


def test_other_case_is_pointed_out():
    assert "other upper and lower case" in judge("contains", "refund", "Refund").reason


def test_a_text_that_comes_later_is_pointed_out():
    assert "not at the start" in judge("starts-with", "Dear", "Oh, Dear").reason


def test_a_long_reply_is_shortened_in_the_reason():
    assert len(judge("contains", "a", "b" * 10_000).reason) < 300


@pytest.mark.parametrize("type_", TYPES)
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "value is missing"),
        ("", "value is empty, so it would hold for every reply"),
        (True, 'value must be a text, not the truth value true (to look for the word, quote it: "true")'),
        (["a", "b"], "value must be a text, not a list (write one assertion for each)"),
        ({"a": 1}, "value must be a text, not a mapping"),
    ],
)
def test_a_value_that_is_no_text_is_refused(type_, value, message):
    assert f"{type_}: {message}" in refusal(type_, value)
