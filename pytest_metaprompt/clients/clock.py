"""Time, as the clients take it: told and slept through one object, so that tests need not wait."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """What time it is, and a way to let some pass."""

    def now(self) -> float:
        """Seconds since some moment; never goes back."""

    def date(self) -> float:
        """Seconds since 1970, as HTTP dates count them."""

    async def sleep(self, seconds: float) -> None:
        """Returns when so many seconds have passed."""


class SystemClock:
    """The computer's clock."""

    def now(self) -> float:
        """Seconds since some moment; never goes back."""
        return time.monotonic()

    def date(self) -> float:
        """Seconds since 1970, as HTTP dates count them."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Returns when so many seconds have passed."""
        await asyncio.sleep(seconds)
