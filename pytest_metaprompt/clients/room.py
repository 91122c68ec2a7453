"""Room for so many live calls at once, for callers that ask without a limit of their own."""

from __future__ import annotations

import asyncio
from collections import Counter

from pytest_metaprompt.protocols import Client
from pytest_metaprompt.results import Reply, Request


class Room:
    """At most `limit` calls under way in it; it counts them by model."""

    def __init__(self, limit: int) -> None:
        self.free = asyncio.Semaphore(limit)
        self.calls: Counter[str] = Counter()


class RoomClient:
    """Asks when there is room."""

    def __init__(self, inner: Client, room: Room) -> None:
        self._inner = inner
        self._room = room

    async def ask(self, request: Request) -> Reply:
        """The inner client's reply.

        Raises:
            ModelCallError: As the inner client does.
            SetupError: As the inner client does.
        """
        async with self._room.free:
            self._room.calls[str(request.model)] += 1
            return await self._inner.ask(request)
