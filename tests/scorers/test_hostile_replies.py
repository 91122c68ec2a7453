"""Replies of models that went astray: what repeats itself for ever is judged in a moment, and is no fault of ours."""

import time

import pytest

from .asking import call, judge

A_MOMENT_S = 6.0
"""Each of these took minutes, or longer than anybody waits."""


@pytest.mark.parametrize(
    ("type_", "text", "dialect"),
    [
        ("is-xml", "<a>" * 30_000, "native"),
        ("contains-xml", "<a>" * 3_000, "native"),
        ("contains-xml", "<r>" + "<a></a>text" * 3_000, "native"),
        ("contains-html", "<a " * 20_000, "native"),
        ("is-html", "<x>" * 20_000 + "</y>" * 20_000, "native"),
        ("contains-json", "[" * 100_000, "native"),
        ("contains-json", "{" * 20_000, "promptfoo"),
        ("contains-json", '{"a": ' * 5_000 + "}", "promptfoo"),
    ],
)
def test_a_reply_that_opens_without_end_is_judged_in_a_moment(type_, text, dialect):
    began = time.monotonic()
    judge(type_, None, text, dialect=dialect)
    assert time.monotonic() - began < A_MOMENT_S


def test_xml_is_refused_where_it_is_nested_too_deep_and_found_behind_it():
    deep = "<a>" * 101 + "</a>" * 101
    assert "nested more than 100 levels deep" in judge("is-xml", None, deep).reason
    assert judge("is-xml", None, deep[3:-4]).passed
    assert judge("contains-xml", "b.c", f"{'<a>' * 200} and <b><c/></b>").passed


@pytest.mark.parametrize("dialect", ["native", "promptfoo"])
def test_json_behind_a_run_of_brackets_is_found(dialect):
    assert judge("contains-json", None, "{" * 3_000 + ' and {"a": 1}', dialect=dialect).passed
    deep = "{" * 3_000 + '{"a": {"b": 1}}'
    assert judge("contains-json", None, deep, dialect=dialect).passed


def test_deep_json_is_no_json_to_an_evals_match():
    assert not judge("evals-match", "{}", "[" * 5_000, mode="json").passed
    assert not judge("evals-match", "{}", "NaN", mode="json").passed


def test_arguments_that_are_no_json_are_told_as_they_came():
    reply = call("refund", None, '{"amount": NaN}')
    verdict = judge("tool-call", {"name": "refund", "arguments": {"amount": 1}}, calls=[reply])
    assert verdict.reason == "refund: the arguments are not a JSON object: '{\"amount\": NaN}'"
