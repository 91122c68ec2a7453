"""One event loop in a thread of its own, so that users' tests may run loops of theirs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import TypeVar

Value = TypeVar("Value")


class LoopThread:
    """Runs coroutines in the background until it is closed."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="metaprompt", daemon=True)
        self._thread.start()

    def submit(self, work: Coroutine[object, object, Value]) -> Future[Value]:
        """Begin the work; the future can be waited for and cancelled from any thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self, last: Coroutine[object, object, None]) -> None:
        """Cancel what is under way, wait until it is gone, do the last thing, and end the thread."""
        self.submit(_cancel_all()).result()
        self.submit(last).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
