"""Never asks the same question twice."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import replace

from pytest_metaprompt.clients.calls import sent_messages, sent_params
from pytest_metaprompt.protocols import Client
from pytest_metaprompt.results import Reply, Request


def request_key(request: Request) -> str:
    """A digest of all that a reply depends on: equal for equal questions, in this process and any other."""
    model = request.model
    params = sorted(sent_params(request).items())
    parts = [model.provider, model.name, model.base_url, params, sent_messages(request), request.sample]
    # Keys further inside keep their order, because a model sees the order of a schema's properties.
    text = json.dumps(parts, default=dict)
    return hashlib.sha256(text.encode()).hexdigest()


class ReplyStore:
    """Replies by key, for as long as the process lives."""

    def __init__(self) -> None:
        self._replies: dict[str, Reply] = {}

    def get(self, key: str) -> Reply | None:
        """The reply stored under a key."""
        return self._replies.get(key)

    def put(self, key: str, reply: Reply) -> None:
        """Stores a reply."""
        self._replies[key] = reply


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
            ModelCallError: As the inner client does.
            SetupError: As the inner client does.
        """
        key = request_key(request)
        while (reply := self._store.get(key)) is None:
            shared = self._under_way.get(key)
            if shared is None:
                return await self._ask_inner(key, request)
            # `wait` leaves the others' future alone when this asker is cancelled. A cancelled future means that the
            # one who asked was stopped: somebody else asks then.
            await asyncio.wait([shared])
            if not shared.cancelled():
                shared.result()
        return replace(reply, cached=True)

    async def _ask_inner(self, key: str, request: Request) -> Reply:
        shared = self._under_way[key] = asyncio.get_running_loop().create_future()
        try:
            reply = await self._inner.ask(request)
        except Exception as error:
            shared.set_exception(error)
            shared.exception()  # Seen, even when nobody waits for it.
            raise
        else:
            self._store.put(key, reply)
            shared.set_result(reply)
            return reply
        finally:
            shared.cancel()
            del self._under_way[key]
