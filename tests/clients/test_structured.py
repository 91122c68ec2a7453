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
