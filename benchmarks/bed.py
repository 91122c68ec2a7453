"""What every arm works on: a target, a meta model, cases to learn from, and a sealed set that only the referee sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

Turn = tuple[str, str]
Chat = Sequence[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A routine in the one form that all arms share: a system prompt and worked examples before the question."""

    system: str
    turns: tuple[Turn, ...] = ()

    def messages(self, question: str) -> list[dict[str, str]]:
        """What the target is asked."""
        said = [{"role": "system", "content": self.system}]
        for user, assistant in self.turns:
            said += [{"role": "user", "content": user}, {"role": "assistant", "content": assistant}]
        return [*said, {"role": "user", "content": question}]


@dataclass(frozen=True, slots=True)
class Question:
    """A case: what is asked and the right answer."""

    id: str
    text: str
    answer: str


@dataclass(frozen=True, slots=True)
class Truth:
    """What the referee knows of a final routine, each beside the same of the routine as it was.

    `fixed` counts the train cases that pass more often, `broken` those that always passed and pass less often now, and
    `lowered` the others that do. `sealed_fixed` and `sealed_broken` count all sealed cases that pass more and less
    often. `wanted` is how many train cases should be fixed.
    """

    train: float
    sealed: float
    fixed: int
    broken: int
    lowered: int
    sealed_fixed: int
    sealed_broken: int
    wanted: int

    @property
    def solved(self) -> bool:
        """Whether everything that can be fixed is, and no case passes less often."""
        return self.fixed >= self.wanted and not self.broken and not self.lowered

    @property
    def useless(self) -> bool:
        """Whether nothing is better on the cases and the sealed set together; only said of a routine that changed."""
        return self.fixed + self.sealed_fixed <= self.broken + self.lowered + self.sealed_broken

    def as_json(self) -> dict[str, float]:
        """Plain numbers."""
        return {**asdict(self), "solved": self.solved, "useless": self.useless}


class Bed(Protocol):
    """A place to measure on. The same seed gives the same bed."""

    @property
    def name(self) -> str:
        """What it is called on the command line."""
        ...

    @property
    def base(self) -> Candidate:
        """The routine as it was."""
        ...

    @property
    def train(self) -> tuple[Question, ...]:
        """The cases that every arm may see."""
        ...

    @property
    def has_meta(self) -> bool:
        """Whether there is a meta model; without one, only arms that need none can run."""
        ...

    def reply(self, messages: Chat, sample: int) -> str:
        """The target's answer to its `sample`-th asking of the same."""
        ...

    def passes(self, question: Question, reply: str) -> bool:
        """Whether an answer is right."""
        ...

    def advise(self, prompt: str, number: int, count: int) -> list[str]:
        """The meta model's answers to its `number`-th request."""
        ...

    def truth(self, candidate: Candidate) -> Truth:
        """The referee's word; costs the arms nothing."""
        ...
