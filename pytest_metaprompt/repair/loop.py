"""The repair of one routine: rounds of proposals, each measured and proved, until nothing fails or nothing helps."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Mapping, Sequence

from pytest_metaprompt.errors import BudgetExhaustedError, EnvelopeError, MetapromptError, ModelCallError, SetupError
from pytest_metaprompt.repair.acceptance import Entrant, Standing, beside, race, screen, strictness
from pytest_metaprompt.repair.bench import IndecisiveError
from pytest_metaprompt.repair.clusters import round_robin, siblings
from pytest_metaprompt.repair.job import MERGE, META, PAID, Findings, RepairJob
from pytest_metaprompt.repair.memory import Memory, Ruling
from pytest_metaprompt.repair.proof import Proof
from pytest_metaprompt.repair.proposers.merge import join
from pytest_metaprompt.repair.proposers.reflect import DeclinedError
from pytest_metaprompt.repair.split import split
from pytest_metaprompt.repair.trials import PROBED, Trials
from pytest_metaprompt.repair.validation import RefusedError, Terms, squeezed, validate
from pytest_metaprompt.results import Proposal, RepairState, Run, TracePoint
from pytest_metaprompt.routines import Routine

MAX_ROUNDS = 8
PATIENCE = 4
FINALISTS = 3
"""So many proposals of a round may try to prove themselves: two that were joined, and each of them."""

GREAT_HELP = 0.5
"""A proposer that asks no model is asked again at once only after it fixed this share of the failures."""


class Repair:
    """One repair under way. `run` never writes anything: it only finds the best proved text."""

    def __init__(self, job: RepairJob) -> None:
        self._job = job
        self._subjects = {subject.key: subject for subject in job.subjects}
        self._trials = Trials(job)
        self._bench = self._trials.bench
        self._seen: set[str] = {squeezed(job.routine.text)}
        self._proposers = dict(job.proposers)
        self._resting = False
        self._round = 0
        self.found = Findings(job.routine)
        self._memory = Memory(job, self.found)
        self._proof = Proof(job, self._trials, self.found)

    async def run(self) -> Findings:
        """Search until nothing fails, nothing helps, or the budget is used up."""
        try:
            async with asyncio.timeout(self._job.max_seconds):
                await self._prepare()
                await self._search()
        except BudgetExhaustedError as error:
            self.found.out_of_budget, self.found.reason = True, error.message
        except TimeoutError:
            self.found.out_of_budget = True
            self.found.reason = f"the budget of {self._job.max_seconds:g} seconds is used up"
        except IndecisiveError as error:
            self.found.trouble = self.found.reason = f"indecisive: {error}"
        self._take_back_unproved()
        self._job.journal.note(
            "end",
            reason=self.found.reason,
            flaky=sorted(self.found.flaky),
            complete=not self.found.out_of_budget and self.found.trouble is None,
        )
        return self.found

    async def measure(self, routine: Routine) -> tuple[Run, ...]:
        """Every case under a routine, with as many attempts as its suite asks for; what is known is not asked again."""
        return await self._trials.measure(routine)

    async def _prepare(self) -> None:
        """Split, and probe."""
        before = self._trials.remember_the_run()
        text = self._job.routine.text
        forced = {s.key: s.case.split for s in self._job.subjects if s.case.split is not None and s.key in before}
        failing = self._trials.observations(text, [key for key in sorted(before) if not before[key]])
        self.found.sides = split(
            before, forced=forced, share=self._job.holdout, seed=self._job.seed, siblings=siblings(failing)
        )
        self._trace()
        self._job.journal.note("began", digest=digest(text), seed=self._job.seed)
        self._job.progress(f"probing whether replies repeat ({min(PROBED, len(before))} cases)")
        self.found.exact = self._bench.exact = await self._trials.replies_repeat(list(before))
        self.found.flaky.update(key for key in before if not before[key] and any(self._bench.trials(text, key)))
        self._job.journal.note(
            "split",
            train=list(self.found.sides.train),
            holdout=list(self.found.sides.holdout),
            mode="deterministic" if self.found.exact else "noisy",
        )

    async def _search(self) -> None:
        idle = 0
        for self._round in range(1, MAX_ROUNDS + 1):
            failing = await self._stable_failures()
            if not failing:
                self.found.reason = self.found.reason or "no stable failure is left"
                return
            if not self._proposers or idle >= PATIENCE:
                break
            idle = 0 if await self._run_round(failing) else idle + 1
        self.found.reason = self.found.reason or f"{len(failing)} cases still fail, and nothing more was found to help"

    def _take_back_unproved(self) -> None:
        lacking = self._proof.lacking()
        if lacking is not None:
            self.found.current = self._job.routine
            self.found.reason = self.found.unproved = lacking
            self._job.journal.note("taken_back", reason=lacking)

    def _trace(self) -> None:
        text = self.found.current.text
        passing = [key for key in self._subjects if self._bench.state(text, key) == "passing"]
        self.found.trace.append(TracePoint(self._job.calls(), len(passing), len(self._subjects)))

    async def _stable_failures(self) -> list[str]:
        text = self.found.current.text
        # Held-out cases are told apart once. Later, what is claimed of them is confirmed against the routine before.
        held = self.found.sides.holdout if text == self._job.routine.text else ()
        keys = [*self.found.sides.train, *held]
        failing = [key for key in keys if key not in self.found.flaky and self._bench.state(text, key) == "failing"]
        passes = strictness(exact=self.found.exact, flaky=len(self.found.flaky), proposals=2).passes
        if not self.found.exact:
            self._job.progress(
                f"round {self._round}: asking {len(failing)} failing cases again, to tell flaky from failing"
            )
        stable, flaky = await screen(self._bench, text, failing, passes=passes)
        self.found.flaky.update(flaky)
        return [key for key in stable if key in self.found.sides.train]

    async def _run_round(self, failing: Sequence[str]) -> bool:
        """One round; whether the current routine became better. Who asks no model comes first; the others are asked
        only if that was in vain."""
        for names in self._tiers():
            proposals = await self._validated(await self._propose(names, failing))
            kept = await self._decide(proposals, failing) if proposals else None
            free = not set(names) & set(PAID)
            if kept is not None:
                self._resting = free and len(kept) < GREAT_HELP * len(failing)
                return True
            self._resting = self._resting or free
        return False

    def _tiers(self) -> Iterator[list[str]]:
        """Who is asked together, one group after the other."""
        paid = [name for name in PAID if name in self._proposers]
        rests = self._resting and bool(paid)
        free = [name for name in self._proposers if name not in PAID and (name == MERGE or not rests)]
        yield from ([*free], *([name] for name in paid))

    async def _decide(self, proposals: Sequence[Proposal], failing: Sequence[str]) -> tuple[str, ...] | None:
        """What the proposal fixes that is kept; None if none is. The others are told why they are not."""
        order = [one.subject.key for one in round_robin(self._trials.observations(self.found.current.text, failing))]
        self._job.progress(f"round {self._round}: racing {len(proposals)} proposals on {len(order)} failing cases")
        entrants = {Entrant(one.text, self._proof.shown(one.text)): one for one in proposals}
        entrants |= await self._joined(entrants, order)
        raced = len(entrants)  # Each of them has its chance to look better than it is.
        base = self.found.current.text
        for _ in range(FINALISTS):
            first, *rest = await race(self._bench, list(entrants), order)
            proposal = entrants.pop(first.entrant)
            ruling = await self._prove(proposal, first, proposals=raced)
            self._memory.note(proposal, ruling, base=base, round_=self._round)
            if ruling.reason is None or not entrants:
                break
        for standing in rest:
            also_ran = Ruling(_also_ran(standing), standing.fixed)
            self._memory.note(entrants[standing.entrant], also_ran, base=base, round_=self._round)
        return ruling.fixed if ruling.reason is None else None

    async def _joined(self, entrants: Mapping[Entrant, Proposal], order: Sequence[str]) -> dict[Entrant, Proposal]:
        """The winner of a race together with the next one that fixes what it does not, as one more entrant."""
        if MERGE not in self._proposers:
            return {}
        first, *rest = await race(self._bench, list(entrants), order)
        for standing in rest if first.fixed else ():
            other = await beside(self._bench, first, standing)
            if set(other.fixed) <= set(first.fixed):
                continue
            both = join(entrants[first.entrant], entrants[other.entrant], base=self.found.current.text)
            for proposal in await self._validated([both] if both else []):
                return {Entrant(proposal.text, self._proof.shown(proposal.text)): proposal}
        return {}

    async def _propose(self, names: Sequence[str], failing: Sequence[str]) -> list[Proposal]:
        state = self._state(failing)
        proposals: list[Proposal] = []
        for name in names:
            self._job.progress(f"round {self._round}: {name} looks at {len(failing)} failing cases")
            try:
                proposals.extend(await self._proposers[name].propose(state))
            except BudgetExhaustedError:
                raise
            except (DeclinedError, EnvelopeError, ModelCallError, SetupError) as error:
                self._give_up(name, error)
        return proposals

    def _give_up(self, name: str, error: MetapromptError) -> None:
        """A proposer that cannot answer is not asked again; why is shown and kept."""
        who = "meta model" if name == META else name
        verb = "answers" if isinstance(error, DeclinedError) else "gave no usable answer:"
        self.found.trouble = f"the {who} {verb} {error}"
        self.found.declined = self.found.declined or isinstance(error, DeclinedError)
        self._job.journal.note("gave_up", proposer=name, reason=str(error))
        self._job.progress(self.found.trouble)
        del self._proposers[name]

    async def _validated(self, proposals: Sequence[Proposal]) -> list[Proposal]:
        old = self.found.current
        terms = Terms(
            old=old,
            editable=self._job.editable,
            subjects=self._job.subjects,
            seen=frozenset(self._seen),
            tools=self._job.tools,
            max_length=self._job.max_length,
        )
        valid = []
        for proposal in proposals:
            try:
                self._trials.add(validate(proposal, terms))
            except RefusedError as error:
                refused = Ruling(f"refused before any call: {error}")
                self._memory.note(proposal, refused, base=old.text, round_=self._round)
                continue
            if squeezed(proposal.text) not in self._seen:
                valid.append(proposal)
            self._seen.add(squeezed(proposal.text))
        return valid

    async def _prove(self, proposal: Proposal, standing: Standing, *, proposals: int) -> Ruling:
        """Why the finalist is not kept; if nothing speaks against it, it is the current routine afterwards."""
        if not standing.fixed:
            return Ruling("fixes none of the failing cases")
        try:
            ruling = await self._proof.examine(
                proposal.text, standing, proposals=proposals, step=f"round {self._round}"
            )
        except IndecisiveError as error:
            return Ruling(f"indecisive: {error}")
        if ruling.reason is None:
            self.found.current = self._trials.routine(proposal.text)
            self.found.helped.append(proposal.hypothesis)
            self._trace()
        return ruling

    def _state(self, failing: Sequence[str]) -> RepairState:
        text = self.found.current.text
        return RepairState(
            routine=self.found.current.name,
            text=text,
            form=self.found.current.form,
            editable=self._job.editable,
            failing=tuple(self._trials.observations(text, failing)),
            passing=tuple(self._trials.observations(text, self._proof.passing())),
            rejected=self._memory.rejected(),
            helped=tuple(self.found.helped),
            round=self._round,
            seed=self._job.seed,
            near_misses=self._memory.near_misses,
            max_length=self._job.max_length,
        )


def digest(text: str) -> str:
    """What a routine's text is known by in the journal."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _also_ran(standing: Standing) -> str:
    if not standing.left:
        return f"fixes {len(standing.fixed)} cases; another proposal does as well or better"
    return f"fixes {len(standing.fixed)} cases so far, {len(standing.left)} not tried: another proposal was ahead"
