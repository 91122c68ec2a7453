"""So many calls or tokens a minute."""

from __future__ import annotations

from collections import deque

WINDOW_S = 60.0
ROUNDING_S = 1e-6
"""Less than what sums of moments are wrong by: not worth a wait."""


class Rate:
    """Never more than `most` within any minute: calls, or with `by_size` the tokens of the calls.

    What is larger than that by itself waits until nothing else counts.
    """

    def __init__(self, name: str, most: int, *, by_size: bool) -> None:
        self.name = name
        self._most = most
        self._by_size = by_size
        self._taken: deque[tuple[float, int]] = deque()
        self._sum = 0

    def wait_s(self, now: float, size: int) -> float:
        """How many seconds it takes until so much is free."""
        self._forget(now)
        over = self._sum + self._amount(size) - self._most
        for moment, amount in self._taken:
            if over <= 0:
                break
            over -= amount
            if over <= 0 or moment == self._taken[-1][0]:
                return moment + WINDOW_S - now
        return 0.0

    def take(self, now: float, size: int) -> None:
        """Counts a call that begins now."""
        self._add(now, self._amount(size))

    def settle(self, now: float, *, expected: int, used: int) -> None:
        """Counts what a call used above or below what was expected of it."""
        self._add(now, self._amount(used) - self._amount(expected))

    def _amount(self, size: int) -> int:
        return size if self._by_size else 1

    def _add(self, now: float, amount: int) -> None:
        if amount:
            self._taken.append((now, amount))
            self._sum += amount

    def _forget(self, now: float) -> None:
        while self._taken and self._taken[0][0] + WINDOW_S <= now + ROUNDING_S:
            self._sum -= self._taken.popleft()[1]
