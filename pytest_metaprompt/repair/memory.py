"""What a repair remembers of its proposals: what became of each, what nearly worked, and what they broke."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pytest_metaprompt.repair.job import Findings, RepairJob
from pytest_metaprompt.results import NearMiss, Observation, Proposal, ProposalRecord

UNSEEN = "hold-out: "
"""How the reasons begin that tell of held-out cases. They are for the user, and never for a proposer."""

_REMEMBERED = 8


@dataclass(frozen=True, slots=True)
class Ruling:
    """What was decided of a proposal: why it is not kept, None if it is, and what it does to the training cases."""

    reason: str | None
    fixed: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    evidence: tuple[Observation, ...] = ()


class Memory:
    """The decisions of one repair. Each is noted in the journal and shown as it is made."""

    def __init__(self, job: RepairJob, found: Findings) -> None:
        self._job = job
        self._found = found
        self.near_misses: tuple[NearMiss, ...] = ()

    def note(self, proposal: Proposal, ruling: Ruling, *, base: str, round_: int) -> None:
        """Keep what was decided of a proposal that changes `base`."""
        record = ProposalRecord(
            proposal.proposer,
            proposal.hypothesis,
            "accepted" if ruling.reason is None else "rejected",
            ruling.reason or f"fixes {len(ruling.fixed)} cases, breaks none",
            ruling.fixed,
            ruling.broken,
            _change(base, proposal.text),
            ruling.evidence,
        )
        self._found.records.append(record)
        if ruling.reason is not None and ruling.fixed:
            self._keep_near(proposal, ruling, base)
        self._job.progress(f"round {round_}: {record.proposer}: {record.decision}, {record.reason}")
        self._job.journal.note(
            "decision",
            round=round_,
            proposer=record.proposer,
            hypothesis=record.hypothesis,
            decision=record.decision,
            reason=record.reason,
            fixed=list(record.fixed),
            broken=list(record.broken),
        )

    def rejected(self) -> tuple[ProposalRecord, ...]:
        """The rejections as a proposer may see them: without a word on held-out cases."""
        told = [record for record in self._found.records if record.decision == "rejected"]
        return tuple(
            replace(record, reason="does not hold for cases that are not shown here")
            if record.reason.startswith(UNSEEN)
            else record
            for record in told
        )

    def _keep_near(self, proposal: Proposal, ruling: Ruling, base: str) -> None:
        miss = NearMiss(
            proposal.proposer,
            proposal.hypothesis,
            base,
            proposal.text,
            frozenset(ruling.fixed),
            frozenset(ruling.broken),
            proposal.examples_from,
        )
        self.near_misses = (*self.near_misses, miss)[-_REMEMBERED:]


def _change(before: str, after: str) -> str:
    """The lines that differ, `-` before those of the old text and `+` before those of the new."""
    lines: Sequence[str] = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0))
    return "\n".join(line for line in lines[2:] if not line.startswith("@@"))
