import asyncio
import json
import math
import threading

import pytest

from pytest_metaprompt.clients.openai import OpenAIClient
from pytest_metaprompt.clients.pace import Pace, Paces
from pytest_metaprompt.errors import CallNotMadeError, ModelCallError, SetupError
from pytest_metaprompt.suites import ModelSpec
from pytest_metaprompt.testing import FakeClock, Fault, ScriptedServer, completion, in_turn
from tests.clients.asking import ask, request


def client_for(server, clock, paces=None, **params):
    spec = ModelSpec("openai", "m", params, base_url=server.base_url)
    return OpenAIClient(spec, environ={}, paces=paces or Paces(clock))


def asked(script, *requests, **params):
    """The replies, the server and the clock."""
    clock = FakeClock()
    with ScriptedServer(script) as server:
        return ask(client_for(server, clock, **params), *requests), server, clock


# The pace itself


async def entered(pace, count):
    return [await pace.enter() for _ in range(count)]


def test_one_burst_of_429_halves_the_calls_under_way_once():
    async def story():
        pace = Pace(FakeClock())
        turns = await entered(pace, 16)
        for turn in turns:
            pace.overdone(turn, wait_s=None)
        return pace.most_at_once

    assert asyncio.run(story()) == 8


def test_every_new_burst_halves_again_and_one_call_always_goes():
    async def story():
        pace, limits = Pace(FakeClock()), []
        for _ in range(5):
            count = 5 if pace.most_at_once == math.inf else int(pace.most_at_once)
            turns = await entered(pace, count)
            pace.overdone(turns[-1], wait_s=None)
            limits.append(pace.most_at_once)
            for _ in turns:
                pace.leave()
        return limits

    assert asyncio.run(story()) == [2, 1, 1, 1, 1]


def test_successes_raise_the_limit_by_one_a_round_until_there_is_none():
    async def story():
        pace = Pace(FakeClock())
        turns = await entered(pace, 8)
        pace.overdone(turns[0], wait_s=None)
        rounds = []
        for _ in range(3):
            for _ in range(int(pace.most_at_once)):
                pace.succeeded()
            rounds.append(pace.most_at_once)
        for _ in range(20):
            pace.succeeded()
        return rounds, pace.most_at_once

    rounds, at_last = asyncio.run(story())
    assert [round(limit) for limit in rounds] == [5, 6, 7]
    assert at_last == math.inf


def test_calls_beyond_the_limit_wait_for_their_turn_in_order():
    async def story():
        pace, order = Pace(FakeClock()), []
        first = await entered(pace, 2)
        pace.overdone(first[0], wait_s=None)

        async def call(name):
            await pace.enter(again=name == "again")
            order.append(name)
            pace.leave()

        async with asyncio.TaskGroup() as group:
            for name in ("a", "b", "again"):
                group.create_task(call(name))
                await asyncio.sleep(0)
            assert order == []
            pace.leave()
            pace.leave()
        return order

    assert asyncio.run(story()) == ["again", "a", "b"]


def test_a_turn_that_nobody_waits_for_any_more_goes_to_the_next():
    async def story():
        pace, order = Pace(FakeClock()), []
        first = await entered(pace, 2)
        pace.overdone(first[0], wait_s=None)

        async def call(name):
            await pace.enter()
            order.append(name)

        gone, waiting = asyncio.create_task(call("gone")), asyncio.create_task(call("next"))
        await asyncio.sleep(0)
        pace.leave()
        pace.leave()
        gone.cancel()
        await asyncio.wait([gone, waiting], timeout=5)
        return order

    assert asyncio.run(story()) == ["next"]


def test_what_is_waited_for_can_be_shown():
    class Stopped(FakeClock):
        async def sleep(self, seconds):
            states.append(pace.state())
            await super().sleep(seconds)

    async def story():
        turn = await pace.enter()
        pace.overdone(turn, wait_s=11.2)
        pace.leave()
        await pace.enter()

    states = []
    pace = Pace(Stopped())
    asyncio.run(story())
    assert states == ["429: waiting 12 s, 0 under way"]
    assert pace.state() is None


# Over sockets


def test_retry_after_is_waited_for_by_every_call_to_the_server():
    (first, second), server, clock = asked(
        in_turn(Fault.status(429, retry_after_s=30), "hi"), request("a"), request("b")
    )
    assert (first.text, second.text) == ("hi", "hi")
    assert first.retries + second.retries == 1 == len(server.requests) - 2
    assert clock.now() >= 30


def test_a_server_that_wants_to_be_left_alone_for_an_hour_is_not_waited_for_by_anybody():
    clock = FakeClock()
    with ScriptedServer(in_turn(Fault.status(429, retry_after_s=3600), "hi")) as server:
        client = client_for(server, clock)
        said = []
        for text in ("a", "b"):
            with pytest.raises(ModelCallError) as caught:
                ask(client, request(text))
            said.append(str(caught.value))
        assert said == [
            "openai:m: 429: scripted 429 (the wait of 3600 s goes beyond timeout_s, 120 s)",
            "openai:m: 429 (the wait of 3600 s goes beyond timeout_s, 120 s)",
        ]
        assert isinstance(caught.value, CallNotMadeError)
        assert (len(server.requests), clock.slept) == (1, [])
        asyncio.run(clock.sleep(3500))
        assert ask(client, request("c")).text == "hi"
        assert clock.now() == 3600


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "2500"}, 2.5),
        ({"Retry-After": "Fri, 15 Jan 2027 08:01:00 GMT"}, 60),
    ],
)
def test_the_wait_is_read_from_other_headers_too(headers, seconds):
    reply, _, clock = asked(in_turn(Fault.status(429, headers=headers), "hi"))
    assert reply.text == "hi"
    assert clock.slept[0] == seconds


def test_when_no_requests_are_left_the_next_waits_for_the_reset():
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "20s"}
    clock = FakeClock()
    with ScriptedServer(in_turn(Fault(body=json.dumps(completion("one")), headers=headers), "two")) as server:
        client = client_for(server, clock)
        assert [ask(client).text, ask(client).text] == ["one", "two"]
    assert clock.slept == [20]


def test_calls_per_minute_hold_for_all_who_ask_the_model():
    clock = FakeClock()
    paces = Paces(clock)
    with ScriptedServer(lambda body: "hi") as server:
        for _ in range(3):
            ask(client_for(server, clock, paces, calls_per_minute=2), request(), request())
    assert len(server.requests) == 6
    assert clock.now() == 120
    assert "calls_per_minute" not in server.requests[0].body


def test_tokens_per_minute_hold_as_the_server_counts_them():
    clock = FakeClock()
    with ScriptedServer(lambda body: completion("hi", input_tokens=900, output_tokens=100)) as server:
        client = client_for(server, clock, tokens_per_minute=2000)
        for _ in range(4):
            ask(client)
    assert 60 <= clock.now() < 180
    assert "tokens_per_minute" not in server.requests[0].body


def test_after_a_refused_key_no_call_is_made_any_more():
    clock = FakeClock()
    paces = Paces(clock)
    with ScriptedServer(in_turn(Fault.status(401))) as server:
        with pytest.raises(ModelCallError, match="401: the server wants a key"):
            ask(client_for(server, clock, paces))
        errors = ask(client_for(server, clock, paces), *[request()] * 100)
    assert len(server.requests) == 1
    assert {type(error) for error in errors} == {CallNotMadeError}
    assert "401: the server wants a key" in str(errors[0])


def test_an_empty_purse_is_told_at_once_and_stops_those_that_wait():
    errors, server, clock = asked(in_turn(Fault.out_of_quota()), *[request()] * 30)
    assert len(server.requests) <= 30
    assert all("You exceeded your current quota" in str(error) for error in errors)
    assert clock.slept == []


def test_another_key_is_another_purse():
    clock = FakeClock()
    paces = Paces(clock)
    with ScriptedServer(lambda body: Fault.out_of_quota() if body["model"] == "poor" else "hi") as server:
        poor = ModelSpec("openai", "poor", base_url=server.base_url, api_key_env="POOR")
        rich = ModelSpec("openai", "rich", base_url=server.base_url, api_key_env="RICH")
        keys = {"POOR": "p", "RICH": "r"}
        with pytest.raises(ModelCallError):
            ask(OpenAIClient(poor, environ=keys, paces=paces), request(model=poor))
        assert ask(OpenAIClient(rich, environ=keys, paces=paces), request(model=rich)).text == "hi"


def test_a_storm_of_429_ends_with_every_answer():
    lock, seen = threading.Lock(), {}

    def script(body):
        said = body["messages"][-1]["content"]
        with lock:
            seen[said] = seen.get(said, 0) + 1
            return said if seen[said] > 3 else Fault.status(429)

    replies, server, _ = asked(script, *[request(str(number)) for number in range(60)])
    assert [reply.text for reply in replies] == [str(number) for number in range(60)]
    assert sum(1 + reply.retries for reply in replies) == len(server.requests) == 240


def test_a_call_that_runs_out_of_time_says_what_the_last_answer_was():
    script = in_turn(Fault.status(503, "overloaded", retry_after_s=0.001), Fault.hang())
    with ScriptedServer(script) as server, pytest.raises(ModelCallError) as caught:
        ask(client_for(server, FakeClock()), request(params={"timeout_s": 0.5}))
    said = "openai:m: timed out after 0.5 s; the last answer was 503: overloaded (tried 2 times)"
    assert str(caught.value) == said


@pytest.mark.parametrize("status", [429, 503])
def test_max_retries_of_nought_fails_fast_even_on_a_rate_limit(status):
    with ScriptedServer(in_turn(Fault.status(status))) as server, pytest.raises(ModelCallError, match=str(status)):
        ask(client_for(server, FakeClock()), request(params={"max_retries": 0}))
    assert len(server.requests) == 1
    assert "max_retries" not in server.requests[0].body


def test_max_retries_counts_the_tries_after_the_first():
    clock = FakeClock()
    with ScriptedServer(in_turn(Fault.status(503))) as server, pytest.raises(ModelCallError) as caught:
        ask(client_for(server, clock), request(params={"max_retries": 5}))
    assert len(server.requests) == 6
    assert caught.value.retries == 5
    assert all(0 <= wait <= most for wait, most in zip(clock.slept, (0.5, 1, 2, 4, 8), strict=True))


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"max_retries": -1}, "max_retries must be a whole number of 0 or more, not -1"),
        ({"max_retries": 1.5}, "max_retries must be a whole number of 0 or more, not 1.5"),
        ({"calls_per_minute": 0}, "calls_per_minute must be a whole number of 1 or more, not 0"),
        ({"tokens_per_minute": "lots"}, "tokens_per_minute must be a whole number of 1 or more, not 'lots'"),
    ],
)
def test_our_own_keys_are_checked(params, said):
    model = ModelSpec("openai", "m", params, base_url="http://127.0.0.1:1/v1")
    with pytest.raises(SetupError, match=said):
        ask(OpenAIClient(model, environ={}), request(model=model))
