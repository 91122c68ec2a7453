from pytest_metaprompt.results import Reply
from pytest_metaprompt.scorers.excerpts import excerpt, excerpt_json, excerpt_reply, few

from .asking import call


def test_a_short_text_is_shown_whole_on_one_line():
    assert excerpt("a\nb") == r"'a\nb'"


def test_a_long_text_is_cut_around_the_place_of_interest():
    shown = excerpt("a" * 500 + "HERE" + "b" * 500, near=500)
    assert shown.startswith("…'")
    assert shown.endswith("'…")
    assert "HERE" in shown
    assert len(shown) < 130


def test_the_end_of_a_text_is_shown_without_a_mark_behind_it():
    assert excerpt("a" * 500, near=500).endswith("a'")


def test_a_value_is_shown_as_json():
    assert excerpt_json({"é": [True, None]}) == '{"é": [true, null]}'
    assert excerpt_json("a" * 500).endswith("…")


def test_a_reply_of_tool_calls_is_described():
    assert excerpt_reply(Reply("", (call("a"), call("b")))) == "no text, but calls of 'a', 'b'"
    assert excerpt_reply(Reply("text", (call("a"),))) == "'text'"


def test_few_lines_are_joined_and_the_rest_is_counted():
    assert few(["a", "b"]) == "a; b"
    assert few("abcdefg", between=", ") == "a, b, c, d, e, and 2 more"
