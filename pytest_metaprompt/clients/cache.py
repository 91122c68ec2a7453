"""Never asks the same question twice."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Protocol

from pytest_metaprompt.clients.recorded import request_key
from pytest_metaprompt.protocols import Client
from pytest_metaprompt.results import Reply, Request


class ReplyStore(Protocol):
    """Keeps replies. `key` is the request's `request_key`."""

    def get(self, key: str, request: Request) -> Reply | None:
        """The reply stored for a request; None where there is none, and a model is to be asked.

        Raises:
            NotRecordedError: There is none, and no model may be asked.
        """

    def put(self, key: str, request: Request, reply: Reply) -> None:
        """Stores a reply."""


class MemoryStore:
    """Replies for as long as the process lives."""

    def __init__(self) -> None:
        self._replies: dict[str, Reply] = {}

    def get(self, key: str, request: Request) -> Reply | None:
        """The reply stored for a request."""
        return self._replies.get(key)

    def put(self, key: str, request: Request, reply: Reply) -> None:
        """Stores a reply."""
        self._replies[key] = reply


class AnewStore:
    """Keeps replies in another store, and knows none: what is asked through it is always asked anew."""

    def __init__(self, store: ReplyStore) -> None:
        self._store = store

    def get(self, key: str, request: Request) -> Reply | None:
        """Nothing."""
        return None

    def put(self, key: str, request: Request, reply: Reply) -> None:
        """Stores a reply in the place of an older one."""
        self._store.put(key, request, reply)


class CachedClient:
    """Asks only what the store does not know; the rest is answered with `cached=True`.

    Equal questions asked at once share one call, and its error. Errors are not stored.
    """

    def __init__(self, inner: Client, store: ReplyStore) -> None:
        self._inner = inner
        self._store = store
        self._under_way: dict[str, asyncio.Future[Reply]] = {}

    async def ask(self, request: Request) -> Reply:
        """The stored reply, or the inner client's.

        Raises:
            ModelCallError: As the inner client does, or the store forbids to ask it.
            SetupError: As the inner client does.
        """
        key = request_key(request)
        while (reply := self._store.get(key, request)) is None:
            shared = self._under_way.get(key)
            if shared is None:
                return await self._ask_inner(key, request)
            # `wait` leaves the others' future alone when this asker is cancelled. A cancelled future means that the
            # one who asked was stopped: somebody else asks then.
            await asyncio.wait([shared])
            if not shared.cancelled():
                return replace(shared.result(), cached=True)
        return reply if reply.cached else replace(reply, cached=True)

    async def _ask_inner(self, key: str, request: Request) -> Reply:
        shared = self._under_way[key] = asyncio.get_running_loop().create_future()
        try:
            reply = await self._inner.ask(request)
        except Exception as error:
            shared.set_exception(error)
            shared.exception()  # Seen, even when nobody waits for it.
            raise
        else:
            self._store.put(key, request, reply)
            shared.set_result(reply)
            return reply
        finally:
            shared.cancel()
            del self._under_way[key]
