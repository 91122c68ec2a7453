import json

import pytest

from pytest_metaprompt.errors import ScorerError
from pytest_metaprompt.suites import Message

from .asking import refusal, user
from .judges import answers, graded, sections, silent

PLANE = {"where?": "[1, 0]", "when?": "[0, 1]", "where is it?": "[0.8, 0.6]"}


def vectors(request):
    return PLANE[request.messages[-1].content]


def test_the_score_is_the_mean_cosine_of_the_questions_that_the_reply_answers():
    judge = answers(questions=["where?", "where is it?"])
    verdict = graded("answer-relevance", None, "There.", judge, embed=vectors, variables={"query": "where?"})
    assert (verdict.passed, verdict.score) == (True, pytest.approx(0.9))
    off = graded(
        "answer-relevance", None, "Then.", answers(questions=["when?"]), embed=vectors, messages=[user("where?")]
    )
    assert (off.passed, off.score) == (False, 0.0)


def test_an_answer_without_a_query_cannot_be_judged():
    with pytest.raises(ScorerError, match="no query is known"):
        graded("answer-relevance", None, "There.", silent, embed=silent)


@pytest.mark.parametrize("kind", ["answer-relevance", "conversation-relevance"])
def test_a_threshold_of_zero_is_refused(kind):
    assert "at 0 it would hold for every reply" in refusal(kind, threshold=0)


def test_every_message_of_the_assistant_is_looked_at_with_what_came_before_it():
    talk = [user("my parcel?"), Message("assistant", "Which order?"), user("ORD-1")]
    seen = []

    def judge(request):
        items = sections(request.messages)["items"]
        seen.extend(items)
        verdicts = [{"number": one["number"], "relevant": "order" in one["item"]["reply"]} for one in items]
        return json.dumps({"reason": "off the point", "items": verdicts})

    verdict = graded("conversation-relevance", None, "Nice weather.", judge, messages=talk)
    assert (verdict.passed, verdict.score) == (False, 0.5)
    assert "not 'Nice weather.'" in verdict.reason
    assert seen[0]["item"] == {"before": [{"role": "user", "content": "my parcel?"}], "reply": "Which order?"}
