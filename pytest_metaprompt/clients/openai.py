"""`openai:`, Chat Completions of OpenAI and of every server that speaks the same."""

from __future__ import annotations

from pytest_metaprompt.clients.calls import sent_messages, sent_params
from pytest_metaprompt.clients.completions import read_completion
from pytest_metaprompt.clients.server import ServedClient
from pytest_metaprompt.results import Reply, Request


class OpenAIClient(ServedClient):
    """Asks a Chat Completions server. Only what the user set is sent, and the key never shows in a message."""

    async def ask(self, request: Request) -> Reply:
        """The server's reply.

        Raises:
            ModelCallError: There was no usable reply in time.
            SetupError: One of our own keys, such as `timeout_s`, is no number.
        """
        body = {**sent_params(request), "model": request.model.name, "messages": sent_messages(request)}
        return await self._server.call("/chat/completions", body, request, read_completion)
