"""The seams: what a client, a scorer and a proposer promise. Built-ins and user code implement the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pytest_metaprompt.results import Attempt, Proposal, RepairState, Reply, Request, Verdict
from pytest_metaprompt.suites import Json, ModelSpec


class Client(Protocol):
    """Asks a model once. Raises `ModelCallError` when there is no usable reply, `SetupError` when there cannot be."""

    async def ask(self, request: Request) -> Reply: ...


class Scorer(Protocol):
    """Judges one attempt that has a reply. A wrong answer is a Verdict; raise `ScorerError` only if the check itself
    cannot work."""

    async def score(self, attempt: Attempt) -> Verdict: ...


class Proposer(Protocol):
    """Suggests changed routines. Nothing is believed of them: each is validated and measured like any other."""

    async def propose(self, state: RepairState) -> Sequence[Proposal]: ...


@dataclass(frozen=True, slots=True)
class Graders:
    """What a graded assertion may ask: `ask` any judge, and `embed` a text with any embedding model.

    An embedding is asked for with one message of role `input`, and the reply's text is the vector as a JSON list.
    `judge` and `embedding` are what the suite names; `read_model` reads an assertion's own `provider`.
    """

    ask: Client
    embed: Client
    read_model: Callable[[Json], ModelSpec]
    judge: ModelSpec | None = None
    embedding: ModelSpec | None = None
