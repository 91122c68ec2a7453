"""A client that answers by a function, for tests without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pytest_metaprompt.results import Reply, Request


class ScriptedClient:
    """A `Client` that answers with a function and keeps what it was asked.

        client = ScriptedClient(lambda request: "42")
        reply = asyncio.run(client.ask(request))
        assert reply.text == "42" and client.requests == [request]

    A text is made a reply, and an exception, returned or raised, is raised.
    """

    def __init__(self, answer: Callable[[Request], str | Reply | Exception]) -> None:
        self.requests: list[Request] = []
        self._answer = answer

    async def ask(self, request: Request) -> Reply:
        """What the function says. Others get their turn in between, as with a model."""
        self.requests.append(request)
        await asyncio.sleep(0)
        answer = self._answer(request)
        if isinstance(answer, Exception):
            raise answer
        return Reply(answer, finish_reason="stop") if isinstance(answer, str) else answer
