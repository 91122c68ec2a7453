"""What only pytest's own thread may do, such as run a test or print, asked for by the thread of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import TypeVar

Value = TypeVar("Value")


class MainThread:
    """Errands for the main thread, which does them while it waits for something else."""

    def __init__(self) -> None:
        self._errands: SimpleQueue[Callable[[], object]] = SimpleQueue()

    def post(self, errand: Callable[[], object]) -> None:
        """Have it done; nobody waits for it. From any thread."""
        self._errands.put(errand)

    async def do(self, errand: Callable[[], Value]) -> Value:
        """Have it done, and give what it gives; dropped if the caller is cancelled before it is begun."""
        future: Future[Value] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(errand())
            except Exception as error:  # Raised again where the errand is awaited.
                future.set_exception(error)

        self.post(work)
        return await asyncio.wrap_future(future)

    def wait_for(
        self, future: Future[Value], *, idle: Callable[[], object] = lambda: None, every_s: float | None = None
    ) -> Value:
        """The future's result; until it is there, the errands are done one after the other.

        `idle` is called whenever there was nothing to do for `every_s` seconds.
        """
        future.add_done_callback(lambda done: self.post(lambda: None))
        while not future.done() or not self._errands.empty():
            try:
                errand = self._errands.get(timeout=every_s)
            except Empty:
                idle()
            else:
                errand()
        return future.result()
