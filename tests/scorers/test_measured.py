"""What the call was like: latency, cost, perplexity, the reason to stop, refusals."""

import math

import pytest

from pytest_metaprompt.clients.completions import read_completion
from pytest_metaprompt.errors import ScorerError

from .asking import assertion, attempt, call, judge, verdict


def measured(type_, threshold, **reply):
    return verdict(assertion(type_, threshold=threshold), attempt("x", **reply))


def test_latency_is_in_milliseconds():
    assert measured("latency", 1500, latency_s=1.5).passed
    assert measured("latency", 1499, latency_s=1.5).reason == "it took 1500 ms, more than 1499"


def test_cost_is_in_dollars_and_an_unknown_price_is_an_error_under_both_signs():
    assert measured("cost", 0.01, cost_usd=0.01).passed
    assert measured("cost", 0.01, cost_usd=0.02).reason == "it cost $0.02, more than $0.01"
    for type_ in ("cost", "not-cost"):
        with pytest.raises(ScorerError, match="no price is known"):
            measured(type_, 1)


def test_perplexity_is_that_of_the_tokens():
    logprobs = (math.log(0.5), math.log(0.5))
    assert measured("perplexity", 2.0001, logprobs=logprobs).passed
    assert not measured("perplexity", 1.9, logprobs=logprobs).passed
    assert measured("perplexity-score", 0.3, logprobs=logprobs).score == pytest.approx(1 / 3)
    assert not measured("perplexity-score", 0.4, logprobs=logprobs).passed


@pytest.mark.parametrize("type_", ["perplexity", "not-perplexity", "perplexity-score", "not-perplexity-score"])
def test_without_log_probabilities_there_is_no_perplexity(type_):
    with pytest.raises(ScorerError, match=r"the reply has no log probabilities \(add  logprobs: true"):
        measured(type_, 0.5)


def test_log_probabilities_are_read_from_a_completion():
    choice = {"message": {"content": "hi"}, "logprobs": {"content": [{"token": "h", "logprob": -0.5}, {"logprob": -1}]}}
    assert read_completion({"choices": [choice]}, latency_s=0).logprobs == (-0.5, -1.0)
    assert read_completion({"choices": [{**choice, "logprobs": None}]}, latency_s=0).logprobs == ()


def test_the_reason_to_stop():
    tried = attempt("x", finish_reason="length")
    assert verdict(assertion("finish-reason", "LENGTH"), tried).passed
    assert "it stopped for 'length'" in verdict(assertion("finish-reason", "stop"), tried).reason
    for type_ in ("finish-reason", "not-finish-reason"):
        with pytest.raises(ScorerError, match="the provider gave no reason"):
            judge(type_, "stop")


@pytest.mark.parametrize(
    ("text", "refuses"),
    [
        ("I'm sorry, but I can't help with that.", True),
        ("I’m sorry, I cannot share this.", True),
        ("I cannot assist with that request.", True),
        ("As an AI language model, I like cats.", True),
        ("Unfortunately, I am unable to do this.", True),
        ("That would not be appropriate.", True),
        ("", True),
        ("   ", True),
        ("Sure, here you go.", False),
        ("I'm sorry for the delay! Your order is on its way.", False),
        ("As an Airbnb host you can help guests.", False),
        ("I will help you.", False),
    ],
)
def test_refusals_are_known_by_their_words(text, refuses):
    assert judge("is-refusal", None, text).passed is refuses


def test_a_tool_call_without_text_is_no_refusal():
    assert not judge("is-refusal", None, "", calls=[call("book")]).passed
