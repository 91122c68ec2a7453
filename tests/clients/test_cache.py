import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_metaprompt.clients.cache import CachedClient, MemoryStore
from pytest_metaprompt.clients.recorded import request_key
from pytest_metaprompt.errors import ModelCallError
from pytest_metaprompt.results import Request
from pytest_metaprompt.suites import Message, ModelSpec
from pytest_metaprompt.testing import ScriptedClient
from tests.clients.asking import ask, request


class HeldClient:
    """Answers when told to."""

    def __init__(self):
        self.calls = 0
        self.release = asyncio.Event()

    async def ask(self, request):
        self.calls += 1
        await self.release.wait()
        return await ScriptedClient(lambda request: "hi").ask(request)


def test_the_same_question_is_asked_once():
    inner = ScriptedClient(lambda request: "hi")
    client = CachedClient(inner, MemoryStore())
    first, second = ask(client), ask(client)
    assert (first.text, first.cached) == ("hi", False)
    assert (second.text, second.cached) == ("hi", True)
    assert len(inner.requests) == 1


def test_clients_with_one_store_share_its_replies():
    store = MemoryStore()
    ask(CachedClient(ScriptedClient(lambda request: "hi"), store))
    assert ask(CachedClient(ScriptedClient(lambda request: ModelCallError("asked")), store)).text == "hi"


def test_equal_questions_at_once_share_one_call():
    inner = ScriptedClient(lambda request: "hi")
    replies = ask(CachedClient(inner, MemoryStore()), *[request()] * 50)
    assert len(inner.requests) == 1
    assert sorted(reply.cached for reply in replies) == [False] + [True] * 49


def test_equal_questions_at_once_share_an_error_that_is_not_stored():
    inner = ScriptedClient(lambda request: ModelCallError("down"))
    client = CachedClient(inner, MemoryStore())
    assert [str(error) for error in ask(client, *[request()] * 5)] == ["down"] * 5
    assert len(inner.requests) == 1
    with pytest.raises(ModelCallError):
        ask(client)
    assert len(inner.requests) == 2


def test_another_asks_when_the_one_who_asked_is_stopped():
    async def story():
        inner = HeldClient()
        client = CachedClient(inner, MemoryStore())
        first = asyncio.create_task(client.ask(request()))
        await asyncio.sleep(0)
        others = [asyncio.create_task(client.ask(request())) for _ in range(3)]
        await asyncio.sleep(0)
        first.cancel()
        inner.release.set()
        return await asyncio.gather(first, *others, return_exceptions=True), inner.calls

    (stopped, *replies), calls = asyncio.run(story())
    assert isinstance(stopped, asyncio.CancelledError)
    assert [reply.text for reply in replies] == ["hi"] * 3
    assert calls == 2


def test_one_who_waits_may_be_stopped_without_the_others():
    async def story():
        inner = HeldClient()
        client = CachedClient(inner, MemoryStore())
        tasks = [asyncio.create_task(client.ask(request())) for _ in range(3)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.sleep(0)
        inner.release.set()
        return await asyncio.gather(*tasks, return_exceptions=True), inner.calls

    (first, stopped, last), calls = asyncio.run(story())
    assert (first.text, last.text, calls) == ("hi", "hi", 1)
    assert isinstance(stopped, asyncio.CancelledError)


BASE = request(model=ModelSpec("openai", "m", {"seed": 1}))


@pytest.mark.parametrize(
    "other",
    [
        request(model=ModelSpec("local", "m", {"seed": 1})),
        request(model=ModelSpec("openai", "n", {"seed": 1})),
        request(model=ModelSpec("openai", "m", {"seed": 1}, base_url="http://x/v1")),
        request(model=ModelSpec("openai", "m", {"seed": True})),
        request(model=BASE.model, params={"seed": 2}),
        request(model=BASE.model, sample=1),
        request("hello ", model=BASE.model),
        request(model=BASE.model, system="x"),
        Request(BASE.model, (Message("user", "hello", {"name": "Ada"}),)),
        Request(BASE.model, (Message("developer", "hello"),)),
    ],
)
def test_all_that_a_reply_depends_on_is_in_the_key(other):
    assert request_key(other) != request_key(BASE)


def test_what_a_reply_does_not_depend_on_is_not_in_the_key():
    keyed = ModelSpec("openai", "m", {"timeout_s": 5, "a": 1}, api_key_env="ACME_KEY")
    plain = ModelSpec("openai", "m", {"z": 2})
    assert request_key(request(model=keyed, params={"z": 2})) == request_key(request(model=plain, params={"a": 1}))


def test_the_order_inside_a_schema_is_in_the_key_because_the_model_sees_it():
    there = request(params={"response_format": {"a": 1, "b": 2}})
    back = request(params={"response_format": {"b": 2, "a": 1}})
    assert request_key(there) != request_key(back)


@given(st.lists(st.tuples(st.text(), st.text()), max_size=3), st.lists(st.tuples(st.text(), st.text()), max_size=3))
def test_keys_are_equal_only_for_equal_messages(first, second):
    keys = [request_key(Request(BASE.model, tuple(Message(*each) for each in said))) for said in (first, second)]
    assert (keys[0] == keys[1]) == (first == second)


def test_a_broken_character_still_has_a_key():
    assert request_key(request("half a \ud83d pair"))
