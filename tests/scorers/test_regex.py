import pytest

from .asking import judge, refusal


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"ORD-\d{5}", "my ORD-48213!"),
        ("^a", "ab"),
        ("(?i)yes", "YES"),
        ("(?m)^b$", "a\nb"),
        (42, "it is 42"),
        ("é", "é"),
    ],
)
def test_a_match_anywhere_in_the_reply_passes(pattern, text):
    assert judge("regex", pattern, text).passed


@pytest.mark.parametrize(("pattern", "text"), [(r"^ORD-\d{5}$", "my ORD-48213"), ("a", ""), ("yes", "YES")])
def test_no_match_fails_and_shows_pattern_and_reply(pattern, text):
    verdict = judge("regex", pattern, text)
    assert not verdict.passed
    assert verdict.reason == f"expected a match of {pattern!r}, got {text!r}"


def test_the_reason_of_a_match_shows_what_matched():
    assert judge("regex", r"\d+", "no 17").reason == r"'17' matches '\\d+'"


@pytest.mark.parametrize("pattern", ["(a", "[", "*a", "a{99999999999999}"])
def test_an_invalid_pattern_is_refused(pattern):
    assert f"regex: invalid pattern {pattern!r}: " in refusal("regex", pattern)


def test_a_named_group_of_javascript_is_explained():
    assert "Python writes a named group (?P<name>...)" in refusal("regex", r"(?<year>\d{4})")


@pytest.mark.parametrize("value", [None, "", ["a"], True])
def test_a_value_that_is_no_pattern_is_refused(value):
    assert "regex: value" in refusal("regex", value)
