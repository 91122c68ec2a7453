import asyncio
import json

import pytest

from pytest_metaprompt.clients.embeddings import EmbeddingsClient
from pytest_metaprompt.clients.models import open_embedder
from pytest_metaprompt.errors import ModelCallError, SetupError
from pytest_metaprompt.results import Request
from pytest_metaprompt.suites import Message, ModelSpec
from pytest_metaprompt.testing import Fault, ScriptedServer, embedding


def ask(script, **params):
    async def asked(server):
        spec = ModelSpec("openai", "vectors", params, base_url=server.base_url)
        client = EmbeddingsClient(spec, environ={})
        try:
            return await client.ask(Request(spec, (Message("input", "a text"),)))
        finally:
            await client.close()

    with ScriptedServer(script) as server:
        return asyncio.run(asked(server)), server.requests


def test_the_reply_is_the_vector_as_json_with_its_tokens():
    reply, requests = ask(lambda body: embedding(0.5, -1, input_tokens=7), dimensions=2)
    assert json.loads(reply.text) == [0.5, -1]
    assert reply.usage.input_tokens == 7
    assert requests[0].body == {"model": "vectors", "input": "a text", "dimensions": 2}


@pytest.mark.parametrize(
    "answer",
    [
        {"data": []},
        {"data": [{}]},
        {"error": {"message": "no such model"}},
        {"data": [{"embedding": "AAAA"}]},
        Fault.status(400, '{"error": {"message": "no embeddings here"}}'),
        Fault.truncated_json(),
    ],
)
def test_an_answer_without_a_vector_is_an_error(answer):
    with pytest.raises(ModelCallError, match="openai:vectors"):
        ask(lambda body: answer)


@pytest.mark.parametrize("spec", [ModelSpec("echo", ""), ModelSpec("local", "smollm2-135m")])
def test_other_models_give_no_vectors(spec, tmp_path):
    with pytest.raises(SetupError, match=r"gives no embeddings \(write openai:"):
        open_embedder(spec, root=tmp_path)
