"""Distances, counts and overlaps. The numbers beside `promptfoo` are in its own results, too."""

import importlib.util

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_metaprompt.errors import SetupError
from pytest_metaprompt.scorers import open_scorer
from pytest_metaprompt.scorers.overlap import bleu, gleu, rouge_1

from .asking import HERE, NOWHERE, assertion, judge, refusal

CAT = "the cat sat on the mat"


def test_the_distance_is_compared_with_5_unless_said_otherwise():
    assert judge("levenshtein", "kitten", "sitting").passed
    assert not judge("levenshtein", "kitten", "sitting", threshold=2).passed
    assert judge("levenshtein", "kitten", "kitten", threshold=0).passed
    assert (
        "the distance is 3, expected at most 2 from 'kitten'"
        in judge("levenshtein", "kitten", "sitting", threshold=2).reason
    )


@pytest.mark.parametrize("value", [None, True, ["a"]])
def test_a_distance_is_to_a_text(value):
    assert "value must be a text" in refusal("levenshtein", value)


@pytest.mark.parametrize(
    ("value", "text", "passed"),
    [
        (3, " one  two\nthree ", True),
        ("2", "one two", True),
        (0, "", True),
        ({"min": 1, "max": 2}, "one two", True),
        ({"min": 3}, "one two", False),
        ({"max": 1}, "one two", False),
    ],
)
def test_words_are_what_white_space_parts(value, text, passed):
    assert judge("word-count", value, text).passed is passed


def test_the_count_and_what_was_wanted_are_told():
    assert judge("word-count", {"min": 3}, "one two").reason == "the reply has 2 words, expected at least 3"
    assert judge("word-count", {"min": 3, "max": 4}, "one").reason == "the reply has 1 word, expected 3 to 4"


@pytest.mark.parametrize(
    "value", [None, "x", -1, True, [], {}, {"min": "x"}, {"least": 1}, {"min": 0}, {"min": 3, "max": 2}]
)
def test_a_count_that_means_nothing_is_refused(value):
    assert "word-count: " in refusal("word-count", value)


@pytest.mark.parametrize(
    ("measure", "text", "reference", "score"),
    [
        (rouge_1, "the cat sat", "the dog sat on mat", 0.5),
        (rouge_1, CAT, CAT, 1),
        (rouge_1, "", CAT, 0),
        (bleu, "the cat is on the mat", CAT, 0.010573712634405643),
        (bleu, "a b", "c d", 1e-7),
        (bleu, "hello world", "hello world", 1),
        (bleu, "The Cat", "the cat", 1),
        (bleu, "", CAT, 0),
        (gleu, "the cat is on the mat", CAT, 0.5),
        (gleu, "The cat.", "the cat", 1),
        (gleu, "", CAT, 0),
    ],
)
def test_known_scores(measure, text, reference, score):
    assert measure(text, [reference]) == pytest.approx(score, abs=1e-12)


def test_a_short_reply_is_penalised():
    assert bleu("the cat sat on", [CAT]) == pytest.approx(2.718281828 ** (1 - 6 / 4), abs=1e-6)


def test_of_several_references_the_best_counts():
    assert judge("bleu", ["something else", CAT], CAT).passed
    assert judge("gleu", ["something else", CAT], CAT).score == 1


sentences = st.lists(st.sampled_from(["a", "b", "c.", "D"]), max_size=6).map(" ".join)


@settings(deadline=None)  # the first call imports the packages
@given(sentences, sentences.filter(str.strip))
def test_every_overlap_lies_between_0_and_1_and_is_1_for_the_same(text, reference):
    for measure in (rouge_1, bleu, gleu):
        assert 0 <= measure(text, [reference]) <= 1 + 1e-12
        assert measure(reference, [reference]) == pytest.approx(1)


def test_the_reason_gives_score_threshold_and_texts():
    verdict = judge("rouge-n", "the dog sat on mat", "the cat sat")
    assert verdict.reason == "the score is 0.5, less than 0.75: expected 'the dog sat on mat', got 'the cat sat'"


@pytest.mark.parametrize("value", [None, "", [], [""], [1]])
def test_an_overlap_needs_references(value):
    assert "bleu: value" in refusal("bleu", value)


@pytest.mark.parametrize(
    ("type_", "package"), [("levenshtein", "rapidfuzz"), ("rouge-n", "rouge_score"), ("bleu", "nltk"), ("gleu", "nltk")]
)
def test_a_missing_package_is_named_with_what_to_type(monkeypatch, type_, package):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "pytest_metaprompt.scorers.packages.find_spec", lambda name: None if name == package else found(name)
    )
    with pytest.raises(
        SetupError, match=rf'{type_} needs the package {package} \(pip install "pytest-metaprompt\[metrics\]"'
    ) as caught:
        open_scorer(assertion(type_, "a"), base=NOWHERE)
    assert caught.value.where == HERE
