"""A clock that keeps nobody waiting."""

from __future__ import annotations

import asyncio


class FakeClock:
    """A clock for clients that keeps nobody waiting: to sleep moves it on at once, and `slept` holds for how long."""

    def __init__(self, *, date: float = 1_800_000_000.0) -> None:
        self.slept: list[float] = []
        self._began = date
        self._now = 0.0

    def now(self) -> float:
        """The seconds that were slept through."""
        return self._now

    def date(self) -> float:
        """Seconds since 1970."""
        return self._began + self._now

    async def sleep(self, seconds: float) -> None:
        """Moves the clock on. Those who sleep at the same time sleep side by side."""
        self.slept.append(seconds)
        until = self._now + seconds
        await asyncio.sleep(0)
        self._now = max(self._now, until)
