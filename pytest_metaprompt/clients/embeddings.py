"""Embeddings of OpenAI and of every server that speaks the same, behind the seam of every other model."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pytest_metaprompt.clients.calls import sent_params
from pytest_metaprompt.clients.completions import error_text, read_usage
from pytest_metaprompt.clients.server import ServedClient
from pytest_metaprompt.errors import ModelCallError
from pytest_metaprompt.results import Reply, Request


class EmbeddingsClient(ServedClient):
    """Asks for the vector of the last message; the reply's text is the vector as a JSON list."""

    async def ask(self, request: Request) -> Reply:
        """The vector, as a JSON text.

        Raises:
            ModelCallError: There was no usable answer in time.
            SetupError: `timeout_s` is no number of seconds.
        """
        body = {**sent_params(request), "model": request.model.name, "input": request.messages[-1].content}
        return await self._server.call("/embeddings", body, request, read_embedding)


def read_embedding(value: object, /, *, latency_s: float) -> Reply:
    """The first embedding of an answer. Whether it is a vector of numbers is for its reader to say.

    Raises:
        ModelCallError: There is none, or the answer is an error.
    """
    if isinstance(value, Mapping) and value.get("error"):
        raise ModelCallError(error_text(value))
    data = value.get("data") if isinstance(value, Mapping) else None
    first = data[0] if isinstance(data, list) and data else None
    vector = first.get("embedding") if isinstance(first, Mapping) else None
    if not isinstance(value, Mapping) or not isinstance(vector, list):
        raise ModelCallError("the answer holds no embedding")
    return Reply(json.dumps(vector), usage=read_usage(value.get("usage")), latency_s=latency_s)
