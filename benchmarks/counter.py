"""The one counter through which every arm asks the target: nobody gets more calls than the cap."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field

from benchmarks.bed import Bed, Candidate, Chat


class CapReachedError(Exception):
    """The arm has used all of its target calls."""


@dataclass
class Meter:
    """Counts what one run of one arm uses, and notes which candidate it had in hand after how many calls.

    `stage` is what the arm is at, where it says so, and `end` why it stopped.
    """

    bed: Bed
    cap: int
    target_calls: int = 0
    meta_calls: int = 0
    history: list[tuple[int, Candidate]] = field(default_factory=list)
    stage: str = "search"
    by_stage: Counter[str] = field(default_factory=Counter)
    end: str = ""
    _asked: Counter[str] = field(default_factory=Counter)

    def ask(self, messages: Chat) -> str:
        """The target's reply. Asking the same again is another sample.

        Raises:
            CapReachedError: There is no call left.
        """
        if self.target_calls >= self.cap:
            raise CapReachedError
        self.target_calls += 1
        self.by_stage[self.stage] += 1
        key = json.dumps([[one["role"], one["content"]] for one in messages])
        self._asked[key] += 1
        return self.bed.reply(messages, self._asked[key] - 1)

    def advise(self, prompt: str, count: int) -> list[str]:
        """The meta model's answers to one request."""
        self.meta_calls += 1
        return self.bed.advise(prompt, self.meta_calls, count)

    def holds(self, candidate: Candidate) -> None:
        """The arm would hand in this candidate if it were stopped now."""
        if candidate != self.in_hand:
            self.history.append((self.target_calls, candidate))

    @property
    def in_hand(self) -> Candidate:
        """What the arm would hand in now."""
        return self.history[-1][1] if self.history else self.bed.base
