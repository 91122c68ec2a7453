import pytest

from pytest_metaprompt.errors import ScorerError

from .asking import assertion, attempt, refusal, verdict


def judge_set(text, *children, type_="assert-set", **fields):
    return verdict(assertion(type_, children=children, **fields), attempt(text))


HAS_A, HAS_B = assertion("contains", "a"), assertion("contains", "b", weight=3, metric="b")


def test_all_must_hold_and_what_does_not_is_told():
    assert judge_set("ab", HAS_A, HAS_B).passed
    found = judge_set("a", HAS_A, HAS_B)
    assert (found.passed, found.score) == (False, 0.25)
    assert found.reason == "contains: expected the reply to contain 'b', got 'a'"


def test_with_a_threshold_the_weighted_mean_must_reach_it():
    assert judge_set("b", HAS_A, HAS_B, threshold=0.75).passed
    assert not judge_set("a", HAS_A, HAS_B, threshold=0.75).passed


def test_the_verdicts_of_its_assertions_are_kept_with_their_labels():
    found = judge_set("a", HAS_A, HAS_B, weight=2, metric="set")
    assert [(child.type, child.passed, child.metric) for child in found.children] == [
        ("contains", True, None),
        ("contains", False, "b"),
    ]
    assert (found.type, found.weight, found.metric) == ("assert-set", 2, "set")


def test_an_assertion_of_weight_0_only_informs():
    assert judge_set("b", assertion("contains", "a", weight=0), HAS_B).passed


def test_a_set_can_be_negated_and_hold_sets():
    assert judge_set("a", HAS_A, HAS_B, type_="not-assert-set").passed
    assert judge_set("ab", HAS_A, assertion("assert-set", children=[HAS_B])).passed


def test_an_error_in_it_is_an_error_of_it_under_both_signs():
    for type_ in ("assert-set", "not-assert-set"):
        with pytest.raises(ScorerError):
            judge_set("a", HAS_B, assertion("python", "1/0"), type_=type_)


def test_a_transform_of_the_set_is_for_all_of_it():
    assert judge_set("x", HAS_A, HAS_B, transform="'ab'").passed


def test_sets_that_hold_for_every_reply_are_refused():
    assert "it has no assertions" in refusal("assert-set")
    assert "weight 0" in refusal("assert-set", children=[assertion("contains", "a", weight=0)])
    assert "threshold must be a number above 0" in refusal("assert-set", children=[HAS_A], threshold=0)


def test_what_is_wrong_inside_is_found_at_collection():
    assert "unknown assertion 'contians'" in refusal("assert-set", children=[assertion("contians", "a")])
