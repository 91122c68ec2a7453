"""`openai:`, Chat Completions of OpenAI and of every server that speaks the same."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pytest_metaprompt.clients.calls import sent_messages, sent_params
from pytest_metaprompt.clients.completions import read_completion
from pytest_metaprompt.clients.pace import Paces
from pytest_metaprompt.clients.server import ModelServer
from pytest_metaprompt.results import Reply, Request
from pytest_metaprompt.suites import ModelSpec


class OpenAIClient:
    """Asks a Chat Completions server. Only what the user set is sent, and the key never shows in a message."""

    def __init__(self, spec: ModelSpec, *, environ: Mapping[str, str] = os.environ, paces: Paces | None = None) -> None:
        """A client for the server of a model; `paces` is shared by the clients that ask the same servers.

        Raises:
            SetupError: A key or an address is missing or wrong.
        """
        self._server = ModelServer(spec, environ=environ, paces=paces)

    async def ask(self, request: Request) -> Reply:
        """The server's reply.

        Raises:
            ModelCallError: There was no usable reply in time.
            SetupError: One of our own keys, such as `timeout_s`, is no number.
        """
        body = {**sent_params(request), "model": request.model.name, "messages": sent_messages(request)}
        return await self._server.call("/chat/completions", body, request, read_completion)

    async def close(self) -> None:
        """Closes the connections that were opened in the running event loop."""
        await self._server.close()
