import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_metaprompt.clients.limits import Caps, LimitedClient, estimate
from pytest_metaprompt.errors import BudgetExhaustedError, ModelCallError, SetupError
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


@pytest.mark.parametrize("caps", [(Caps(calls=3), Caps()), (Caps(), Caps(calls=3))])
def test_a_call_that_is_made_again_takes_another_place_in_every_cap(caps):
    tries = []

    def made_twice(request):
        tries.append(request)
        request.before_retry()
        tries.append(request)
        return Reply("hi")

    inner, _ = limited(caps[0], made_twice)
    replies = ask(LimitedClient(inner, caps[1]), request(), request())
    assert [type(reply) for reply in replies] == [Reply, BudgetExhaustedError]
    assert len(tries) == 3


def test_clients_with_the_same_caps_share_them():
    caps = Caps(calls=1)
    ask(limited(caps)[0])
    with pytest.raises(BudgetExhaustedError):
        ask(limited(caps)[0])


def test_a_call_that_could_go_beyond_the_tokens_is_not_made():
    client, inner = limited(Caps(tokens=28))
    ask(client)
    ask(client)
    with pytest.raises(BudgetExhaustedError) as caught:
        ask(client)
    assert str(caught.value) == (
        "the budget of 28 tokens has no room for another call: 20 tokens used, and it may take 10 tokens"
        " (raise --metaprompt-max-tokens)"
    )
    assert len(inner.requests) == 2


@given(most=st.integers(1, 200), sizes=st.lists(st.integers(1, 4), min_size=1, max_size=30))
def test_tokens_never_go_over_however_many_calls_are_under_way(most, sizes):
    replies = iter(sizes)
    client, inner = limited(Caps(tokens=most), lambda request: Reply("hi", usage=Usage(5, next(replies))))
    asked = ask(client, *[request(params={"max_tokens": 4})] * len(sizes), request(params={"max_tokens": 500}))
    assert sum(5 + size for size in sizes[: len(inner.requests)]) <= most
    assert {type(reply) for reply in asked} <= {Reply, BudgetExhaustedError}


def test_the_first_call_goes_alone_where_nobody_knows_how_long_a_reply_becomes():
    under_way = []

    class Watched:
        most = 0

        async def ask(self, request):
            under_way.append(request)
            self.most = max(self.most, len(under_way))
            if len(under_way) == 1 and not self.first_done:
                await asyncio.sleep(0)
            self.first_done = True
            await asyncio.sleep(0)
            under_way.remove(request)
            return Reply("hi", usage=Usage(5, 5))

        first_done = False

    watched = Watched()
    replies = ask(LimitedClient(watched, Caps(tokens=55)), *[request(sample=n) for n in range(10)])
    assert sum(isinstance(reply, Reply) for reply in replies) == 5
    assert watched.most > 1


def test_dollars_never_go_over_however_many_calls_are_under_way():
    inner = ScriptedClient(lambda request: Reply("hi", usage=Usage(5, 10), cost_usd=0.1))
    client = LimitedClient(inner, Caps(usd=0.75), lambda: lambda usage: usage.output_tokens * 0.01)
    replies = ask(client, *[request(params={"max_tokens": 10})] * 50)
    assert len(inner.requests) == 7
    assert sum(isinstance(reply, BudgetExhaustedError) for reply in replies) == 43
    assert str(replies[-1]) == (
        "the budget of $0.75 has no room for another call: $0.7 used, and it may take $0.1"
        " (raise --metaprompt-max-cost)"
    )


def test_an_unknown_price_never_satisfies_a_cap_on_dollars():
    client, inner = limited(Caps(usd=100.0))
    with pytest.raises(BudgetExhaustedError, match="--metaprompt-max-cost is set, but no price is known for openai:m"):
        ask(client)
    assert not inner.requests


def test_what_is_free_satisfies_every_cap_on_dollars():
    inner = ScriptedClient(lambda request: Reply("hi", usage=Usage(5, 10), cost_usd=0.0))
    ask(LimitedClient(inner, Caps(usd=0.0), lambda: lambda usage: 0.0), *[request()] * 5)
    assert len(inner.requests) == 5


def test_a_reply_that_is_shorter_than_it_might_be_gives_the_rest_back():
    inner = ScriptedClient(lambda request: Reply("hi", usage=Usage(5, 5)))
    client = LimitedClient(inner, Caps(tokens=130))
    ask(client, *[request(params={"max_tokens": 100})] * 3)
    assert len(inner.requests) == 3


def test_a_call_that_was_not_made_gives_its_place_back():
    client, inner = limited(Caps(calls=1, tokens=50), lambda request: SetupError("no key"))
    for _ in range(3):
        with pytest.raises(SetupError):
            ask(client)
    assert len(inner.requests) == 3


def test_a_failed_call_keeps_what_it_may_have_used():
    client, _ = limited(Caps(tokens=50), lambda request: ModelCallError("timed out"))
    with pytest.raises(ModelCallError, match="timed out"):
        ask(client, request(params={"max_tokens": 40}))
    with pytest.raises(BudgetExhaustedError):
        ask(client, request(params={"max_tokens": 40}))


def test_what_a_call_may_take_is_estimated_from_its_text_and_its_limit():
    long = request("x" * 3000, params={"max_tokens": 50, "n": 2, "tools": [{"name": "x" * 290}]})
    assert estimate(long).input_tokens == pytest.approx(1100, abs=15)
    assert estimate(long).output_tokens == 100
    assert estimate(request("hi")).output_tokens is None


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
