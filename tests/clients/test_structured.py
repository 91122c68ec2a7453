import asyncio

import pytest

from pytest_metaprompt.clients.structured import StructuredClient
from pytest_metaprompt.errors import BudgetExhaustedError, ModelCallError
from pytest_metaprompt.results import Request
from pytest_metaprompt.suites import Message, ModelSpec
from pytest_metaprompt.testing import ScriptedClient

REFUSAL = ModelCallError("openai:small: 400: unsupported parameter response_format")


def ask(client, *, model="small"):
    request = Request(ModelSpec("openai", model), (Message("user", "hi"),), {"response_format": {"type": "x"}, "n": 1})
    return asyncio.run(client.ask(request)).text


def knows_no_format(request):
    return REFUSAL if "response_format" in request.params and request.model.name == "small" else "plain"


def test_a_server_that_refuses_the_format_is_asked_without_it_from_then_on():
    inner = ScriptedClient(knows_no_format)
    client = StructuredClient(inner)
    assert [ask(client), ask(client)] == ["plain", "plain"]
    assert [sorted(request.params) for request in inner.requests] == [["n", "response_format"], ["n"], ["n"]]


@pytest.mark.parametrize("status", [400, 422])
def test_a_server_may_refuse_the_format_in_words_of_its_own(status):
    refusal = ModelCallError("openai:small: invalid request", status=status)
    inner = ScriptedClient(lambda request: refusal if "response_format" in request.params else "plain")
    client = StructuredClient(inner)
    assert [ask(client), ask(client)] == ["plain", "plain"]
    assert len(inner.requests) == 3


def test_what_is_wrong_without_the_format_too_is_not_taken_for_a_refusal_of_it():
    inner = ScriptedClient(lambda request: ModelCallError("openai:small: no such model", status=400))
    client = StructuredClient(inner)
    for _ in range(2):
        with pytest.raises(ModelCallError, match="no such model"):
            ask(client)
    assert ["response_format" in request.params for request in inner.requests] == [True, False, True, False]


def test_another_model_is_still_asked_with_the_format():
    inner = ScriptedClient(knows_no_format)
    client = StructuredClient(inner)
    ask(client)
    ask(client, model="big")
    assert "response_format" in inner.requests[-1].params


@pytest.mark.parametrize("error", [ModelCallError("openai:small: 500: no"), BudgetExhaustedError("no calls are left")])
def test_other_errors_are_not_tried_again(error):
    inner = ScriptedClient(lambda request: error)
    with pytest.raises(type(error)):
        ask(StructuredClient(inner))
    assert len(inner.requests) == 1
