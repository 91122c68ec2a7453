import json

import pytest

from pytest_metaprompt.errors import ScorerError

from .asking import attempt, call, refusal
from .judges import answers, graded, sections


def verdict_of(passed, score):
    return answers(**{"reason": "so it is", "pass": passed, "score": score})


@pytest.mark.parametrize(
    ("passed", "score", "threshold", "holds"),
    [
        (True, 1.0, None, True),
        (True, 0.0, None, True),
        (False, 1.0, None, False),
        (True, 0.8, 0.8, True),
        (True, 0.79, 0.8, False),
        (False, 0.9, 0.8, False),
    ],
)
def test_a_rubric_needs_a_pass_and_the_threshold(passed, score, threshold, holds):
    plain = graded("llm-rubric", "polite", "hi", verdict_of(passed, score), threshold=threshold)
    negated = graded("not-llm-rubric", "polite", "hi", verdict_of(passed, score), threshold=threshold)
    assert (plain.passed, negated.passed) == (holds, not holds)


def test_a_missing_score_is_that_of_the_verdict_unless_a_threshold_needs_one():
    assert graded("llm-rubric", "polite", "hi", answers(**{"pass": True})).score == 1.0
    with pytest.raises(ScorerError, match="score must be a number"):
        graded("llm-rubric", "polite", "hi", answers(**{"pass": True}), threshold=0.5)


@pytest.mark.parametrize("threshold", [0, -1, 1.5])
def test_a_threshold_that_holds_for_all_or_for_none_is_refused(threshold):
    assert "threshold must be above 0" in refusal("llm-rubric", "polite", threshold=threshold)


@pytest.mark.parametrize("kind", ["llm-rubric", "model-graded-closedqa", "factuality"])
def test_what_to_grade_by_must_be_there(kind):
    assert "value is missing" in refusal(kind)
    assert "value is empty" in refusal(kind, "")


def test_a_reply_of_tool_calls_alone_is_shown_to_the_judge():
    seen = []

    def judge(request):
        seen.append(sections(request.messages))
        return '{"pass": true, "reason": "it refunds"}'

    tried = attempt("", calls=[call("refund", {"order": 1}, '{"order": 1}')])
    assert graded("model-graded-closedqa", "refunds the order", "", judge, tried=tried).passed
    assert seen[0]["tools that the reply calls"] == [{"name": "refund", "arguments": '{"order": 1}'}]


@pytest.mark.parametrize(("category", "holds"), [("A", True), ("B", True), ("C", True), ("D", False), ("E", True)])
@pytest.mark.parametrize("kind", ["factuality", "model-graded-factuality"])
def test_only_a_disagreement_is_no_factuality_and_not_turns_it_round(kind, category, holds):
    assert graded(kind, "the sky is blue", "x", answers(category=category, reason="r")).passed is holds
    assert graded(f"not-{kind}", "the sky is blue", "x", answers(category=category, reason="r")).passed is not holds


def test_the_scores_of_the_categories_can_be_changed():
    fields = {"factuality": {"superset": 0.4}, "threshold": 0.5}
    verdict = graded("factuality", "blue", "blue and wet", answers(category="B", reason="adds wet"), **fields)
    assert (verdict.passed, verdict.score, verdict.reason) == (False, 0.4, "superset (B): adds wet")
    assert "did you mean 'superset'" in refusal("factuality", "x", factuality={"superste": 1})


@pytest.mark.parametrize("category", ["F", "", "AB", "a", None, 3, "(A)"])
@pytest.mark.parametrize("kind", ["factuality", "not-factuality"])
def test_a_category_that_is_none_is_an_error(kind, category):
    with pytest.raises(ScorerError, match="no category"):
        graded(kind, "x", "y", answers(category=category))


def two_steps(score):
    def judge(request):
        if "evaluation steps" in sections(request.messages):
            return json.dumps({"reason": "by the steps", "score": score})
        return json.dumps({"steps": ["read", "compare"]})

    return judge


@pytest.mark.parametrize(("score", "holds"), [(10, True), (7, True), (6.9, False), (0, False)])
def test_g_eval_holds_from_seven_of_ten(score, holds):
    verdict = graded("g-eval", "coherence", "text", two_steps(score))
    assert (verdict.passed, verdict.score) == (holds, pytest.approx(score / 10))


def test_g_eval_takes_the_mean_of_several_criteria():
    def judge(request):
        seen = sections(request.messages)
        if "evaluation steps" not in seen:
            return json.dumps({"steps": [f"look for {seen['criterion']}"]})
        assert seen["evaluation steps"] == [f"look for {seen['criterion']}"]
        return json.dumps({"reason": seen["criterion"], "score": {"wit": 10, "depth": 2}[seen["criterion"]]})

    verdict = graded("g-eval", ["wit", "depth"], "text", judge, threshold=0.6)
    assert (verdict.passed, verdict.score) == (True, pytest.approx(0.6))
    assert verdict.reason == "wit; depth (score 0.6, threshold 0.6)"


@pytest.mark.parametrize("score", [11, -1, "7", None, True])
@pytest.mark.parametrize("kind", ["g-eval", "not-g-eval"])
def test_a_grade_outside_of_the_scale_is_an_error(kind, score):
    with pytest.raises(ScorerError, match="malformed"):
        graded(kind, "coherence", "text", two_steps(score))


def test_g_eval_without_steps_is_an_error():
    with pytest.raises(ScorerError, match="steps must be a list of texts"):
        graded("g-eval", "coherence", "text", answers(steps=[], score=10))
