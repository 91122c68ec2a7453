import importlib.util
import json
from pathlib import Path

import pytest

from pytest_metaprompt.errors import ModelCallError, ScorerError

from .asking import refusal
from .judges import graded, silent

PROMPTFOO = Path(__file__).parents[3] / "shared" / "data" / "promptfoo"
PLANE = {"east": [1, 0], "north": [0, 1], "north-east": [0.6, 0.8], "far east": [3, 0], "nowhere": [0, 0]}


def vectors(request):
    return json.dumps(PLANE[request.messages[-1].content])


@pytest.mark.parametrize(
    ("kind", "value", "reply", "threshold", "holds"),
    [
        ("similar", "east", "far east", None, True),
        ("similar", "east", "north-east", None, False),
        ("similar:cosine", "east", "north-east", 0.6, True),
        ("similar", ["north", "east"], "east", 0.99, True),
        ("similar", "east", "nowhere", 0.1, False),
        ("similar:dot", "far east", "north-east", 1.7, True),
        ("similar:dot", "far east", "north-east", 1.9, False),
        ("similar:euclidean", "east", "far east", 2.0, True),
        ("similar:euclidean", "east", "far east", 1.9, False),
    ],
)
def test_nearness_decides_and_not_turns_it_round(kind, value, reply, threshold, holds):
    assert graded(kind, value, reply, embed=vectors, threshold=threshold).passed is holds
    assert graded(f"not-{kind}", value, reply, embed=vectors, threshold=threshold).passed is not holds


def test_the_reason_names_the_nearest_text():
    verdict = graded("similar", ["east", "north"], "north-east", embed=vectors)
    assert verdict.reason == "cosine 0.800 to 'north' (threshold 0.75)"


@pytest.mark.parametrize("answer", ["", "[]", '["a"]', "[true]", "{}", "[1, NaN]", "null", ModelCallError("503")])
@pytest.mark.parametrize("kind", ["similar", "not-similar"])
def test_what_is_no_vector_is_an_error_under_both_signs(kind, answer):
    with pytest.raises(ScorerError, match="embedding model"):
        graded(kind, "east", "north", embed=lambda request: answer)


def test_vectors_of_different_lengths_are_an_error():
    with pytest.raises(ScorerError, match="cannot be compared"):
        graded("similar", "a", "bc", embed=lambda request: json.dumps([1] * len(request.messages[-1].content)))


def test_an_empty_reply_is_like_nothing_and_asks_nobody():
    assert not graded("similar", "east", " ", embed=silent).passed


@pytest.mark.parametrize("value", [None, "", [], ["a", ""], {"a": 1}, [3]])
def test_a_value_must_be_a_text_or_texts(value):
    assert "value" in refusal("similar", value)


@pytest.mark.skipif(not PROMPTFOO.is_dir(), reason="the recorded promptfoo runs are not beside the project")
def test_verdicts_and_scores_are_those_of_promptfoo():
    spec = importlib.util.spec_from_file_location("mock_openai", PROMPTFOO / "mock_openai.py")
    mock = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(mock)
    recorded = json.loads((PROMPTFOO / "oracle" / "p-judge.json").read_text(encoding="utf-8"))
    compared = 0
    for result in recorded["results"]:
        [wanted] = result["asserts"]
        if "similar" not in wanted["type"]:
            continue
        verdict = graded(
            wanted["type"],
            wanted["value"],
            result["output"],
            embed=lambda request: json.dumps(mock.embed(request.messages[-1].content)),
            threshold=wanted.get("threshold"),
        )
        assert verdict.passed is wanted["pass"], wanted
        if wanted["type"] != "not-similar:euclidean" and "dot" not in wanted["type"]:
            assert verdict.score == pytest.approx(wanted["score"]), wanted
        compared += 1
    assert compared == 24
