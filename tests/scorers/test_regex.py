import pytest

from pytest_metaprompt.errors import ScorerError
from pytest_metaprompt.scorers import regex_search

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


@pytest.mark.parametrize(
    ("pattern", "text"),
    [(r"^(a+)+$", "a" * 40 + "!"), (r"^(\w+\s?)*$", "word " * 40 + "!"), ("(a|aa)+$", "a" * 60 + "!")],
)
@pytest.mark.parametrize("type_", ["regex", "not-regex"])
def test_a_search_without_end_is_an_error_under_both_signs(monkeypatch, type_, pattern, text):
    monkeypatch.setattr(regex_search, "SECONDS", 0.3)
    with pytest.raises(ScorerError, match=r"did not end in .* seconds"):
        judge(type_, pattern, text)
    assert judge("regex", pattern, "a" * 40).passed, "the next search begins anew"


@pytest.mark.parametrize(
    ("pattern", "length", "long"),
    [
        (r"ORD-\d{5}", 10**6, False),
        (r"ORD-\d+", 2000, False),
        (r"^(ORD-\d{5},)*$", 2000, False),
        (r"(?i)(?:ab)+(?P<n>c)+", 500, False),
        (r"[*+(]{2}\)\*+", 2000, False),
        (r"\s+$", 10**6, True),
        (r"(?:a|b)+", 100, True),
        (r"(?:a?)*", 100, True),
        (r"a*a*a*a*", 1000, True),
    ],
)
def test_only_searches_that_may_be_long_are_made_apart(pattern, length, long):
    assert regex_search.may_take_long(pattern, "x" * length) is long
