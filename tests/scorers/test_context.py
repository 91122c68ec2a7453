import json

import pytest

from pytest_metaprompt.errors import ScorerError
from pytest_metaprompt.scorers.context import sentences

from .asking import refusal
from .judges import answers, graded, sections, silent

FACTS = {"query": "What colour is the sky?", "context": "The sky is blue. Grass is green. 1. Water is wet."}
KINDS = ["context-recall", "context-relevance", "context-faithfulness"]


def reads_the_context(request):
    """A judge that finds a sentence attributed, supported or relevant if its last word stands in what it is held to."""
    seen = sections(request.messages)
    against = " ".join(str(text) for title, text in seen.items() if title != "items").casefold()
    verdicts = []
    for item in seen["items"]:
        good = item["item"].rstrip(".").split()[-1].casefold() in against
        verdicts.append({"number": item["number"], **dict.fromkeys(("attributed", "supported", "relevant"), good)})
    return json.dumps({"reason": "read", "items": verdicts})


def test_sentences_keep_the_number_of_a_list_item():
    assert sentences("The sky is blue. 1. Water is wet.\n2) Why? Yes!") == [
        "The sky is blue.",
        "1. Water is wet.",
        "2) Why?",
        "Yes!",
    ]
    assert sentences(" \n") == []
    assert sentences("42.") == ["42."]


@pytest.mark.parametrize(
    ("kind", "value", "reply", "score"),
    [
        ("context-recall", "It is blue. Snow is cold.", "ignored", 1 / 2),
        ("context-faithfulness", None, "The sky is blue. Grass is green. Snow is cold.", 2 / 3),
        ("context-relevance", None, "ignored", 0.0),
    ],
)
def test_a_score_is_the_share_of_sentences(kind, value, reply, score):
    low = graded(kind, value, reply, reads_the_context, variables=FACTS, threshold=0.1)
    assert low.score == pytest.approx(score)
    assert low.passed is (score >= 0.1)
    assert not graded(kind, value, reply, reads_the_context, variables=FACTS, threshold=0.9).passed
    assert graded(f"not-{kind}", value, reply, reads_the_context, variables=FACTS, threshold=0.9).passed


def test_the_reason_names_the_sentences_that_are_missing():
    verdict = graded("context-faithfulness", None, "Snow is cold.", reads_the_context, variables=FACTS)
    assert verdict.reason == ("0 of 1 are supported by the context (threshold 0.7), not 'Snow is cold.': read")


@pytest.mark.parametrize("kind", KINDS)
def test_a_threshold_of_zero_would_hold_for_every_reply_and_is_refused(kind):
    assert "at 0 it would hold for every reply" in refusal(kind, "truth", threshold=0)


@pytest.mark.parametrize("kind", [*KINDS, *(f"not-{kind}" for kind in KINDS)])
def test_without_a_context_nothing_can_be_said(kind):
    with pytest.raises(ScorerError, match="no context is known"):
        graded(kind, "truth", "reply", silent, variables={"query": "why?"})


ITEM = {"number": 1, "supported": True}


@pytest.mark.parametrize(
    "items",
    [
        [],
        [ITEM],
        [ITEM, ITEM],
        [ITEM, {"number": 3, "supported": True}],
        [ITEM, {"number": 2}],
        [ITEM, {"number": 2, "supported": "yes"}],
        [ITEM, {"number": 2, "supported": True}, {"number": 3, "supported": True}],
        "all",
        None,
    ],
)
@pytest.mark.parametrize("kind", ["context-faithfulness", "not-context-faithfulness"])
def test_a_judge_that_leaves_a_sentence_out_or_invents_one_has_given_no_verdict(kind, items):
    with pytest.raises(ScorerError, match="malformed"):
        graded(kind, None, "One. Two.", answers(items=items, reason=""), variables=FACTS)


def test_an_empty_reply_is_not_faithful_and_asks_nobody():
    assert not graded("context-faithfulness", None, " ", silent, variables=FACTS).passed


def test_a_context_may_be_a_list_of_documents():
    facts = {"query": "colour?", "context": ["The sky is blue.", "Grass is green."]}
    assert graded("context-recall", "Green.", "", reads_the_context, variables=facts).passed
