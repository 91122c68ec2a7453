"""The meta model as a proposer: one call a round, its envelope read strictly, one chance to put it right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_metaprompt.clients.structured import StructuredClient
from pytest_metaprompt.errors import EnvelopeError
from pytest_metaprompt.protocols import Client
from pytest_metaprompt.repair.envelope import SCHEMA, Envelope, Patch, apply_patch, read_envelope
from pytest_metaprompt.repair.meta_prompt import CONTEXT, build_messages, correction
from pytest_metaprompt.results import Proposal, RepairState, Reply, Request
from pytest_metaprompt.routines import Routine, parse_routine
from pytest_metaprompt.suites import Json, Message, ModelSpec

STRUCTURED: Json = {"type": "json_schema", "json_schema": {"name": "repair", "strict": True, "schema": SCHEMA}}


class DeclinedError(EnvelopeError):
    """The meta model says that the routine is not to blame; the message is its reason."""


@dataclass(frozen=True, slots=True)
class Reflect:
    """Asks the meta model why cases fail and what to change.

    `propose` raises `ModelCallError` when the model cannot be reached, `DeclinedError` when it sees nothing to repair,
    `EnvelopeError` when its second answer cannot be used either, and `SetupError` when nothing would fit into the
    model's context.
    """

    client: Client
    model: ModelSpec

    async def propose(self, state: RepairState) -> Sequence[Proposal]:
        """The proposals of one answer; patches that do not fit the routine are put right once, then dropped."""
        routine = parse_routine(state.text, name=state.routine, form=state.form)
        messages = build_messages(state, context=self.model.context or CONTEXT)
        reply = await self._ask(messages)
        try:
            return _proposals(routine, reply)
        except DeclinedError:
            raise
        except EnvelopeError as error:
            messages = (*messages, *correction(reply.text, str(error)))
        reply = await self._ask(messages)
        return _usable(routine, _envelope(reply))

    async def _ask(self, messages: tuple[Message, ...]) -> Reply:
        request = Request(self.model, messages, params={"response_format": STRUCTURED})
        return await StructuredClient(self.client).ask(request)


def _proposals(routine: Routine, reply: Reply) -> list[Proposal]:
    """All proposals of an answer; raises on the first that does not fit."""
    return [_proposal(routine, patch) for patch in _envelope(reply).patches]


def _usable(routine: Routine, envelope: Envelope) -> list[Proposal]:
    """The proposals that fit; raises only if none does."""
    fitting, problems = [], []
    for patch in envelope.patches:
        try:
            fitting.append(_proposal(routine, patch))
        except EnvelopeError as error:
            problems.append(error)
    if problems and not fitting:
        raise problems[0]
    return fitting


def _envelope(reply: Reply) -> Envelope:
    if reply.finish_reason == "length":
        raise EnvelopeError("the answer was cut off at its length limit")
    envelope = read_envelope(reply.text)
    if envelope.verdict != "repair":
        raise DeclinedError(f"{envelope.verdict}: {envelope.reason or 'no reason given'}")
    return envelope


def _proposal(routine: Routine, patch: Patch) -> Proposal:
    return Proposal("reflect", patch.hypothesis, apply_patch(routine, patch).text, predicts=patch.predicts)
