"""GEPA (github.com/gepa-ai/gepa) as a proposer: it evolves the instructions on training cases, and its best candidates
go through the same gate as everybody else's."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from pytest_metaprompt.errors import MetapromptError, RoutineError, SetupError
from pytest_metaprompt.protocols import Client
from pytest_metaprompt.repair.batching import nearest
from pytest_metaprompt.repair.job import Asker
from pytest_metaprompt.repair.observed import observed
from pytest_metaprompt.repair.sentences import instruction_parts
from pytest_metaprompt.results import Attempt, Observation, Proposal, RepairState, Request
from pytest_metaprompt.routines import Routine, parse_routine, replace_part
from pytest_metaprompt.runner import Job, each
from pytest_metaprompt.suites import Json, Message, ModelSpec

if TYPE_CHECKING:
    from gepa.core.adapter import EvaluationBatch

ANCHORS = 8
"""So many passing cases stand beside the failing ones in what GEPA measures by."""

TRIES = 12
"""GEPA may try each of its cases so often, at most."""

MOST = 3
_FIELD = 1200

Result = TypeVar("Result")
Texts = dict[str, str]


@dataclass(frozen=True, slots=True)
class Gepa:
    """Lets GEPA search with the target and the meta model, within the repair's budget.

    `propose` raises `SetupError` when the package is missing, and what went wrong with a model.
    """

    asker: Asker
    client: Client
    model: ModelSpec
    limit: int

    async def propose(self, state: RepairState) -> Sequence[Proposal]:
        """GEPA's best candidates, the best first; none if it found nothing better than the routine."""
        try:
            import gepa
        except ImportError:
            hint = 'pip install "pytest-metaprompt[gepa]"'
            raise SetupError("the proposer gepa needs the package gepa", hint=hint) from None
        routine = parse_routine(state.text, name=state.routine, form=state.form)
        seed = {_name(at): routine.parts[at].text for at in instruction_parts(routine, state.editable)}
        if not seed:
            return []
        cases = [*state.failing, *nearest(state.failing, state.passing, most=ANCHORS)]
        world = _World(self, routine, asyncio.get_running_loop())
        search = partial(
            gepa.optimize,
            seed_candidate=seed,
            trainset=list(state.failing),
            valset=cases,
            adapter=world,
            reflection_lm=world.reflect,
            max_metric_calls=TRIES * len(cases),
            stop_callbacks=world.is_over,
            logger=_Quiet(),
            display_progress_bar=False,
            seed=state.seed + state.round,
        )
        try:
            found = await asyncio.to_thread(search)
        except Exception as error:  # the fence around GEPA's code
            raise SetupError(f"gepa raised {type(error).__name__}: {error}") from error
        finally:
            world.end()
        if world.trouble:
            raise world.trouble[0]
        ranked = sorted(zip(found.val_aggregate_scores, found.candidates, strict=True), key=lambda pair: -pair[0])
        texts = [
            _with_texts(routine, candidate) for score, candidate in ranked if score > found.val_aggregate_scores[0]
        ]
        return [Proposal("gepa", "GEPA's search found this wording", text) for text in texts if text][:MOST]


@dataclass
class _World:
    """What GEPA sees of the suite (its `GEPAAdapter`). Its thread waits for the loop's answers."""

    proposer: Gepa
    routine: Routine
    loop: asyncio.AbstractEventLoop
    over: threading.Event = field(default_factory=threading.Event)
    trouble: list[MetapromptError] = field(default_factory=list)
    propose_new_texts: None = None
    give_up: Callable[[], object] = bool

    def end(self) -> None:
        """Stop the search where it is: nothing more is asked, and what is under way is given up."""
        self.over.set()
        self.give_up()

    def is_over(self, state: object) -> bool:
        """Whether GEPA should stop: something went wrong, or nobody waits for it any more."""
        return self.over.is_set()

    def reflect(self, prompt: str) -> str:
        """The meta model's answer; nothing where it was cut off, or once something went wrong."""
        request = Request(self.proposer.model, (Message("user", prompt),))
        reply = self._wait(self.proposer.client.ask(request))
        return "" if reply is None or reply.finish_reason == "length" else reply.text

    def evaluate(
        self, batch: Sequence[Observation], candidate: Texts, capture_traces: bool = False
    ) -> EvaluationBatch[Observation, Attempt]:
        """Every case of the batch under a candidate; a case that has no answer scores 0."""
        from gepa.core.adapter import EvaluationBatch

        seen = self._wait(self._observe(batch, candidate))
        if seen is None:  # The candidate is no routine, or the search is over.
            return EvaluationBatch(outputs=[one.attempt for one in batch], scores=[0.0] * len(batch), trajectories=[])
        return EvaluationBatch(
            outputs=[one.attempt for one in seen],
            scores=[one.attempt.score if one.attempt.error is None else 0.0 for one in seen],
            trajectories=list(seen) if capture_traces else None,
        )

    def make_reflective_dataset(
        self,
        candidate: Texts,
        eval_batch: EvaluationBatch[Observation, Attempt],
        components_to_update: Sequence[str],
    ) -> Mapping[str, Sequence[Mapping[str, Json]]]:
        """The cases of a batch with what came out of them, for the meta model."""
        shown: list[Mapping[str, Json]] = []
        for one in eval_batch.trajectories or []:
            seen = observed(one, limit=_FIELD)
            assert isinstance(seen, Mapping)
            shown.append(seen)
        return dict.fromkeys(components_to_update, shown)

    async def _observe(self, batch: Sequence[Observation], candidate: Texts) -> list[Observation]:
        text = _with_texts(self.routine, candidate)
        if text is None:
            raise RoutineError("a candidate of gepa is no routine")
        routine = parse_routine(text, name=self.routine.name, form=self.routine.form)

        async def try_case(one: Observation) -> Observation:
            job = Job(one.subject.suite, one.subject.case, routine)
            return Observation(one.subject, await self.proposer.asker.tried(job, 0))

        seen = await each(batch, try_case, limit=self.proposer.limit)
        return [one for one in seen if one is not None]

    def _wait(self, work: Coroutine[None, None, Result]) -> Result | None:
        """The result from the loop; None where there is none, and then the search is over."""
        if self.over.is_set():
            work.close()
            return None
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        self.give_up = future.cancel
        if self.over.is_set():  # The search ended meanwhile, and saw nothing to give up.
            future.cancel()
        try:
            return future.result()
        except (RoutineError, CancelledError):
            return None
        except MetapromptError as error:
            self.trouble.append(error)
            self.over.set()
        return None


class _Quiet:
    """GEPA's logger. What it does is told by the journal."""

    def log(self, message: str) -> None:
        """Says nothing."""


def _name(at: int) -> str:
    return f"message {at}"


def _with_texts(routine: Routine, candidate: Texts) -> str | None:
    """The routine's text with a candidate's messages; None if it is no routine."""
    try:
        for name, text in candidate.items():
            routine = replace_part(routine, int(name.removeprefix("message ")), text)
    except RoutineError:
        return None
    return routine.text
