"""The meta model as a proposer: one call a round, its envelope read strictly, one chance to put it right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_metaprompt.errors import EnvelopeError
from pytest_metaprompt.protocols import Client
from pytest_metaprompt.repair.envelope import SCHEMA, Patch, apply_patch, read_envelope, whole_text
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
        """The proposals of one answer. What does not fit the routine is put right once, then refused by its flaw."""
        routine = parse_routine(state.text, name=state.routine, form=state.form)
        messages = build_messages(state, context=self.model.context or CONTEXT)
        reply = await self._ask(messages)
        first: list[Proposal] = []
        try:
            first = _proposals(routine, reply)
            wrong = "; ".join(one.flaw for one in first if one.flaw is not None)
        except DeclinedError:
            raise
        except EnvelopeError as error:
            wrong = str(error)
        if not wrong:
            return first
        return self._both(first, routine, await self._ask((*messages, *correction(reply.text, wrong))))

    def _both(self, first: Sequence[Proposal], routine: Routine, reply: Reply) -> Sequence[Proposal]:
        """The proposals of the second answer, and those of the first that fitted: nothing good is lost by the other."""
        fitting = [one for one in first if one.flaw is None]
        try:
            second = _proposals(routine, reply)
        except EnvelopeError:
            if not fitting:
                raise
            return first
        found = list(dict.fromkeys([*fitting, *second]))
        if all(one.flaw is not None for one in found):
            raise EnvelopeError(found[0].flaw or "")
        return found

    async def _ask(self, messages: tuple[Message, ...]) -> Reply:
        return await self.client.ask(Request(self.model, messages, params={"response_format": STRUCTURED}))


def _proposals(routine: Routine, reply: Reply) -> list[Proposal]:
    """All proposals of an answer; those that do not fit the routine have a flaw.

    Raises:
        EnvelopeError: The answer cannot be used, or it declines to propose anything.
    """
    envelope = read_envelope(whole_text(reply))
    if envelope.verdict != "repair":
        raise DeclinedError(f"{envelope.verdict}: {envelope.reason or 'no reason given'}")
    return [_proposal(routine, patch) for patch in envelope.patches]


def _proposal(routine: Routine, patch: Patch) -> Proposal:
    text, flaw = routine.text, None
    try:
        text = apply_patch(routine, patch).text
    except EnvelopeError as error:
        flaw = str(error)
    return Proposal("reflect", patch.hypothesis, text, predicts=patch.predicts, flaw=flaw)
