import pytest

from pytest_metaprompt.clients.limits import Caps, LimitedClient
from pytest_metaprompt.errors import BudgetExhaustedError, ModelCallError
from pytest_metaprompt.results import Reply, Usage
from pytest_metaprompt.testing import ScriptedClient
from tests.clients.asking import ask, request


def limited(caps, answer=lambda request: Reply("hi", usage=Usage(6, 4))):
    inner = ScriptedClient(answer)
    return LimitedClient(inner, caps), inner


def test_never_one_call_more_than_allowed_even_at_once():
    client, inner = limited(Caps(calls=7))
    replies = ask(client, *[request()] * 50)
    assert len(inner.requests) == 7
    assert [type(reply) for reply in replies] == [Reply] * 7 + [BudgetExhaustedError] * 43


def test_clients_with_the_same_caps_share_them():
    caps = Caps(calls=1)
    ask(limited(caps)[0])
    with pytest.raises(BudgetExhaustedError):
        ask(limited(caps)[0])


def test_tokens_are_counted_after_a_call_and_checked_before_the_next():
    client, inner = limited(Caps(tokens=15))
    ask(client)
    ask(client)
    with pytest.raises(BudgetExhaustedError, match="the budget of 15 tokens is used up"):
        ask(client)
    assert len(inner.requests) == 2


def test_a_reply_from_a_store_costs_no_tokens():
    client, inner = limited(Caps(tokens=1), lambda request: Reply("hi", usage=Usage(6, 4), cached=True))
    ask(client)
    ask(client)
    assert len(inner.requests) == 2


def test_time_runs_from_when_the_caps_were_made():
    now = 100.0
    client, _ = limited(Caps(seconds=60.0, clock=lambda: now))
    now = 159.9
    ask(client)
    now = 160.0
    with pytest.raises(BudgetExhaustedError, match=r"the budget of 60\.0 seconds is used up"):
        ask(client)


def test_a_failed_call_stays_counted():
    client, inner = limited(Caps(calls=1), lambda request: ModelCallError("down"))
    with pytest.raises(ModelCallError, match="down"):
        ask(client)
    with pytest.raises(BudgetExhaustedError):
        ask(client)
    assert len(inner.requests) == 1


def test_the_message_names_the_option_to_raise():
    for caps, said in [
        (Caps(calls=0), "the budget of 0 calls is used up (raise --metaprompt-max-calls)"),
        (Caps(tokens=0), "the budget of 0 tokens is used up (raise --metaprompt-max-tokens)"),
        (Caps(calls=0, option="fix: budget: {cap}"), "the budget of 0 calls is used up (raise fix: budget: calls)"),
    ]:
        with pytest.raises(BudgetExhaustedError) as caught:
            ask(limited(caps)[0])
        assert str(caught.value) == said


def test_no_caps_are_no_limit():
    client, inner = limited(Caps())
    ask(client, *[request()] * 50)
    assert len(inner.requests) == 50
