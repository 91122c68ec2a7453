"""What a repair works on and with, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pytest_metaprompt.protocols import Proposer
from pytest_metaprompt.repair.split import Sides
from pytest_metaprompt.results import Attempt, ProposalRecord, Run, Subject, TracePoint
from pytest_metaprompt.routines import Routine
from pytest_metaprompt.runner import Job
from pytest_metaprompt.suites import Json

META = "reflect"
"""The name of the proposer that asks the meta model."""

GEPA = "gepa"
MERGE = "merge"
"""The name of the proposer that puts together what others proposed."""

PAID = (META, GEPA)
"""The proposers that ask a model. They are asked when the others have nothing, in this order."""


class Journal(Protocol):
    """Keeps what was decided and why."""

    def note(self, event: str, **details: Json) -> None:
        """Add one entry."""


class Asker(Protocol):
    """Tries a case under a routine: the runner's asks the target, the plugin's also runs Python tests again."""

    async def tried(self, job: Job, sample: int) -> Attempt:
        """One asking. Raises `ModelCallError` or `SetupError` where there is no answer that can be judged."""


Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class RepairJob:
    """All that a repair works on and with. `calls` tells how many it has used so far; `prober` asks the target as
    `asker` does, but is never answered from the cache."""

    routine: Routine
    runs: tuple[Run, ...]
    subjects: tuple[Subject, ...]
    asker: Asker
    prober: Asker
    proposers: Mapping[str, Proposer]
    editable: frozenset[str]
    tools: frozenset[str]
    seed: int
    limit: int
    journal: Journal
    progress: Progress
    holdout: float = 0.25
    max_length: int | None = None
    max_seconds: float | None = None
    calls: Callable[[], int] = lambda: 0

    @property
    def asks_meta(self) -> bool:
        """Whether a meta model may propose."""
        return any(name in self.proposers for name in PAID)


@dataclass(slots=True)
class Findings:
    """What a repair found; it grows while the repair goes on, and is complete when `reason` is set."""

    current: Routine
    sides: Sides = field(default_factory=lambda: Sides((), ()))
    exact: bool = False
    reason: str = ""
    trouble: str | None = None
    declined: bool = False
    unproved: str | None = None
    out_of_budget: bool = False
    flaky: set[str] = field(default_factory=set)
    lost: list[str] = field(default_factory=list)
    records: list[ProposalRecord] = field(default_factory=list)
    helped: list[str] = field(default_factory=list)
    trace: list[TracePoint] = field(default_factory=list)
