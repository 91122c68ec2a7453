import pytest

from .asking import judge, refusal

# What the classes of OpenAI Evals say of the same replies and ideals.
HOLDS = [
    ("match", "4", "4 is the answer"),
    ("match", ["five", "4"], "4"),
    ("match", 4, "4."),
    ("includes", "4", "the answer is 4"),
    ("iincludes", "PARIS", "it is Paris."),
    ("fuzzy", "The Eiffel Tower", "eiffel tower!"),
    ("fuzzy", "It is the big red dog, of course", "A dog"),
    ("fuzzy", "dog", "It is a dog, of course"),
    ("fuzzy", "", "..."),
    ("json", '{"a": [1, {"b": 2}]}', '{"a": [1.0, {"b": 2}]}'),
    ("json", ['{"a": 1}', "[]"], "[]"),
]
FAILS = [
    ("match", "4", "The answer is 4"),
    ("match", "4", " 4"),
    ("match", "Paris", "paris"),
    ("includes", "Paris", "paris"),
    ("fuzzy", "dog", ""),
    ("fuzzy", "cat", "dog"),
    ("json", '{"a": 1}', '{"a": 1, "b": 2}'),
    ("json", '{"a": null}', '{"a": null}'),
    ("json", "[1]", "[1, 1]"),
    ("json", '{"a": 1}', "[1]"),
    ("json", "{}", "no JSON"),
]


@pytest.mark.parametrize(("mode", "ideal", "text"), HOLDS)
def test_the_reply_matches(mode, ideal, text):
    assert judge("evals-match", ideal, text, mode=mode).passed
    assert not judge("not-evals-match", ideal, text, mode=mode).passed


@pytest.mark.parametrize(("mode", "ideal", "text"), FAILS)
def test_the_reply_does_not_match(mode, ideal, text):
    assert not judge("evals-match", ideal, text, mode=mode).passed


def test_the_reason_names_every_ideal_answer():
    verdict = judge("evals-match", ["Paris", "Lyon"], "Rome")
    assert verdict.reason == "expected the reply to start with 'Paris' or 'Lyon', got 'Rome'"
    assert "whatever the case" in judge("evals-match", "a", "b", mode="iincludes").reason


@pytest.mark.parametrize("value", [None, [], {}, [["a"]], ["a", None], True])
def test_a_value_that_is_no_ideal_is_refused(value):
    assert "value must be a text, or a list of texts" in refusal("evals-match", value)


def test_an_ideal_that_every_reply_matches_is_refused():
    assert "an ideal answer is empty" in refusal("evals-match", ["a", ""])


def test_an_unknown_mode_is_refused():
    assert "did you mean 'includes'?" in refusal("evals-match", "a", mode="include")
