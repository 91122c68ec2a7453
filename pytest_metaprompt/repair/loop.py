"""The repair of one routine: rounds of proposals, each measured and proved, until nothing fails or nothing helps."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from pytest_metaprompt.errors import BudgetExhaustedError, EnvelopeError, MetapromptError, ModelCallError, SetupError
from pytest_metaprompt.repair.acceptance import (
    Entrant,
    Standing,
    confirm,
    guard,
    hold_out,
    race,
    screen,
    strictness,
    veto,
)
from pytest_metaprompt.repair.bench import Bench, IndecisiveError
from pytest_metaprompt.repair.clusters import round_robin
from pytest_metaprompt.repair.job import META, Asker, Findings, RepairJob
from pytest_metaprompt.repair.proposers.reflect import DeclinedError
from pytest_metaprompt.repair.showing import shown_cases
from pytest_metaprompt.repair.split import split
from pytest_metaprompt.repair.validation import RefusedError, Terms, validate
from pytest_metaprompt.results import (
    Attempt,
    CaseResult,
    Count,
    Observation,
    Proposal,
    ProposalRecord,
    RepairState,
    Run,
    Subject,
    TracePoint,
)
from pytest_metaprompt.routines import Routine
from pytest_metaprompt.runner import Job, each, outcome_of

MAX_ROUNDS = 8
PATIENCE = 4
FINALISTS = 2
PROBED = 5


class Repair:
    """One repair under way. `run` never writes anything: it only finds the best proved text."""

    def __init__(self, job: RepairJob) -> None:
        self._job = job
        self._subjects = {subject.key: subject for subject in job.subjects}
        self._attempts: dict[tuple[str, str], list[Attempt]] = {}
        self._routines = {job.routine.text: job.routine}
        self._bench = Bench(self._draw, limit=job.limit)
        self._seen: set[str] = {job.routine.text}
        self._before = _results(job)
        self._proposers = dict(job.proposers)
        self._round = 0
        self.found = Findings(job.routine)

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
        self._job.journal.note("end", reason=self.found.reason, flaky=sorted(self.found.flaky))
        return self.found

    async def measure(self, routine: Routine) -> tuple[Run, ...]:
        """Every case under a routine, with as many attempts as its suite asks for; what is known is not asked again."""
        self._routines.setdefault(routine.text, routine)
        results = await each(
            self._job.subjects, lambda subject: self._complete(routine, subject), limit=self._job.limit
        )
        found = {subject.key: result for subject, result in zip(self._job.subjects, results, strict=True) if result}
        return tuple(
            Run(run.suite, tuple(found[one.key] for one in self._job.subjects if one.suite is run.suite))
            for run in self._job.runs
        )

    async def _complete(self, routine: Routine, subject: Subject) -> CaseResult:
        known = self._attempts.setdefault((routine.text, subject.key), [])
        trouble: list[Attempt] = []
        while len(known) < subject.suite.repeat and not trouble:
            try:
                await self._draw(routine.text, subject.key, len(known))
            except (BudgetExhaustedError, IndecisiveError) as error:
                # What the budget leaves unasked does not speak against a case that passed whenever it was asked.
                if known and isinstance(error, BudgetExhaustedError):
                    break
                trouble = [Attempt(subject.case, sample=len(known), error=str(error))]
        attempts = (*known[: subject.suite.repeat], *trouble)
        asked = replace(subject.suite, repeat=len(attempts))
        return CaseResult(subject.case, attempts, outcome_of(asked, attempts))

    async def _prepare(self) -> None:
        """Split, probe and screen."""
        decided = {
            key: result.outcome for key, result in self._before.items() if result.outcome in ("passed", "failed")
        }
        before = {key: outcome == "passed" for key, outcome in decided.items()}
        forced = {s.key: s.case.split for s in self._job.subjects if s.case.split is not None and s.key in before}
        self.found.sides = split(before, forced=forced, share=self._job.holdout, seed=self._job.seed)
        for key in before:
            attempts = [attempt for attempt in self._before[key].attempts if attempt.error is None]
            self._attempts[self._job.routine.text, key] = attempts
            passed = [attempt.passed for attempt in attempts]
            self._bench.remember(self._job.routine.text, key, passed, begun=len(self._before[key].attempts))
            if not before[key] and any(attempt.passed for attempt in attempts):
                self.found.flaky.add(key)
        self._trace()
        self.found.exact = self._bench.exact = await self._replies_repeat(list(before))
        self._job.journal.note(
            "split",
            train=list(self.found.sides.train),
            holdout=list(self.found.sides.holdout),
            mode="deterministic" if self.found.exact else "noisy",
        )

    async def _replies_repeat(self, keys: Sequence[str]) -> bool:
        """Whether up to 5 cases, failing and passing, give the same output when asked again."""
        self._job.progress(f"probing whether replies repeat ({min(PROBED, len(keys))} cases)")
        step = max(1, len(keys) // PROBED)
        text = self._job.routine.text
        for key in keys[::step][:PROBED]:
            await self._bench.fresh(text, key, draw=partial(self._draw, asker=self._job.prober))
            outputs = {_output(attempt) for attempt in self._attempts[text, key]}
            if len(outputs) > 1 or None in outputs:
                return False
        return True

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
        """In the end, at least one held-out failure must be fixed, if there is one: small steps add up to no proof."""
        text = self.found.current.text
        held = self._fixed(self.found.sides.holdout, text, set())
        if text == self._job.routine.text or held.passed or not held.total:
            return
        train = self._fixed(self.found.sides.train, text, set())
        self.found.current = self._job.routine
        self.found.reason = self.found.unproved = (
            f"hold-out: does not generalise: fixes {train} of the training failures, "
            f"but none of {held.total} held-out ones"
        )
        self._job.journal.note("taken_back", reason=self.found.unproved)

    def _trace(self) -> None:
        text = self.found.current.text
        passing = [key for key in self._subjects if self._bench.state(text, key) == "passing"]
        self.found.trace.append(TracePoint(self._job.calls(), len(passing), len(self._subjects)))

    async def _stable_failures(self) -> list[str]:
        text = self.found.current.text
        keys = [*self.found.sides.train, *self.found.sides.holdout]
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
        """One round; whether the current routine became better."""
        proposals = await self._validated(await self._propose(failing))
        if not proposals:
            return False
        order = [one.subject.key for one in round_robin(self._observations(failing))]
        self._job.progress(f"round {self._round}: racing {len(proposals)} proposals on {len(order)} failing cases")
        entrants = {Entrant(one.text, self._shown(one.text)): one for one in proposals}
        for _ in range(FINALISTS):
            first, *rest = await race(self._bench, list(entrants), order)
            proposal = entrants.pop(first.entrant)
            reason = await self._prove(proposal, first, failing) if first.fixed else "fixes none of the failing cases"
            self._record(proposal, reason, fixed=first.fixed)
            if reason is None or not entrants:
                break
        for standing in rest:
            self._record(entrants[standing.entrant], _also_ran(standing), fixed=standing.fixed)
        return reason is None

    async def _propose(self, failing: Sequence[str]) -> list[Proposal]:
        state = self._state(failing)
        proposals: list[Proposal] = []
        for name, proposer in list(self._proposers.items()):
            self._job.progress(f"round {self._round}: {name} looks at {len(failing)} failing cases")
            try:
                proposals.extend(await proposer.propose(state))
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
        self._job.journal.note("gave_up", proposer=name, reason=str(error))
        self._job.progress(self.found.trouble)
        del self._proposers[name]

    async def _validated(self, proposals: Sequence[Proposal]) -> list[Proposal]:
        terms = Terms(
            old=self.found.current,
            editable=self._job.editable,
            subjects=self._job.subjects,
            seen=frozenset(self._seen),
            tools=self._job.tools,
            max_length=self._job.max_length,
        )
        valid = []
        for proposal in proposals:
            try:
                self._routines[proposal.text] = replace(validate(proposal, terms), home=self._job.routine.home)
            except RefusedError as error:
                self._record(proposal, f"refused before any call: {error}", fixed=())
                continue
            if proposal.text not in self._seen:
                valid.append(proposal)
            self._seen.add(proposal.text)
        return valid

    async def _prove(self, proposal: Proposal, standing: Standing, failing: Sequence[str]) -> str | None:
        """Why the finalist is not kept; None when it is, and then it is the current routine."""
        try:
            reason = await self._objection(proposal, standing, failing)
        except IndecisiveError as error:
            return f"indecisive: {error}"
        if reason is None:
            self.found.current = self._routines[proposal.text]
            self.found.helped.append(proposal.hypothesis)
            self._trace()
        return reason

    async def _objection(self, proposal: Proposal, standing: Standing, failing: Sequence[str]) -> str | None:
        bench, old, new = self._bench, self.found.current.text, proposal.text
        strict = strictness(exact=self.found.exact, flaky=len(self.found.flaky), proposals=len(self._proposers) * 2)
        if not self.found.exact:
            self._job.progress(f"round {self._round}: confirming {len(standing.fixed)} fixes")
        confirmed = await confirm(bench, old, new, standing.fixed, strict)
        self.found.flaky.update(confirmed.flaky)
        if not confirmed.fixed:
            return "its fixes did not hold when asked again"
        passing = self._by_risk(old)
        self._job.progress(f"round {self._round}: guarding {len(passing)} passing cases")
        broken = await guard(bench, old, new, passing)
        if broken:
            self.found.lost.extend(key for key in broken if key not in self.found.lost)
            return f"breaks {', '.join(map(repr, broken))}"
        if self.found.sides.holdout:
            self._job.progress(f"round {self._round}: hold-out of {len(self.found.sides.holdout)} cases")
        held = await hold_out(bench, old, new, self._steady(self.found.sides.holdout), strict)
        self.found.lost.extend(key for key in held.broken if key not in self.found.lost)
        now = {*confirmed.fixed, *held.fixed}
        train, far = (self._fixed(side, new, now) for side in (self.found.sides.train, self.found.sides.holdout))
        objection = veto(broken=held.broken, train=train, held=far)
        if objection is None:
            for key in self._shown(new):
                await bench.first(new, key)
        return f"hold-out: {objection}" if objection else None

    def _fixed(self, side: Sequence[str], text: str, now: set[str]) -> Count:
        """Of the cases on a side that failed under the routine as it was: how many pass under a text.

        `now` holds the fixes that were just confirmed; what was fixed before was guarded. Cases that the text
        shows with their answers do not count.
        """
        first, shown = self._job.routine.text, self._shown(text)
        failed = [key for key in self._steady(side) if self._bench.state(first, key) == "failing" and key not in shown]
        fixed = [key for key in failed if key in now or self._bench.state(self.found.current.text, key) == "passing"]
        return Count(len(fixed), len(failed))

    def _shown(self, text: str) -> frozenset[str]:
        return shown_cases(self._routines[text], self._job.subjects)

    def _by_risk(self, text: str) -> list[str]:
        """The passing training cases: once broken first, then protected ones, then the short ones."""
        passing = [key for key in self._steady(self.found.sides.train) if self._bench.state(text, key) == "passing"]
        return sorted(passing, key=self._risk)

    def _risk(self, key: str) -> tuple[bool, bool, int]:
        case = self._subjects[key].case
        size = len(case.input or "") + sum(len(str(value)) for value in case.vars.values())
        return (key not in self.found.lost, not case.protected, size)

    def _steady(self, keys: Sequence[str]) -> list[str]:
        return [key for key in keys if key not in self.found.flaky]

    def _state(self, failing: Sequence[str]) -> RepairState:
        text = self.found.current.text
        passing = [key for key in self._steady(self.found.sides.train) if self._bench.state(text, key) == "passing"]
        return RepairState(
            routine=self.found.current.name,
            text=text,
            form=self.found.current.form,
            editable=self._job.editable,
            failing=tuple(self._observations(failing)),
            passing=tuple(self._observations(passing)),
            rejected=tuple(record for record in self.found.records if record.decision == "rejected"),
            helped=tuple(self.found.helped),
            round=self._round,
            seed=self._job.seed,
        )

    def _observations(self, keys: Sequence[str]) -> list[Observation]:
        text = self.found.current.text
        return [Observation(self._subjects[key], self._attempts[text, key][-1]) for key in keys]

    def _record(self, proposal: Proposal, reason: str | None, *, fixed: Sequence[str]) -> None:
        decision = ProposalRecord(
            proposal.proposer,
            proposal.hypothesis,
            "accepted" if reason is None else "rejected",
            reason or f"fixes {len(fixed)} cases, breaks none",
        )
        self.found.records.append(decision)
        self._job.progress(f"round {self._round}: {proposal.proposer}: {decision.decision}, {decision.reason}")
        self._job.journal.note(
            "decision",
            round=self._round,
            proposer=proposal.proposer,
            hypothesis=proposal.hypothesis,
            decision=decision.decision,
            reason=decision.reason,
            fixed=list(fixed),
        )

    async def _draw(self, text: str, key: str, sample: int, *, asker: Asker | None = None) -> bool:
        subject = self._subjects[key]
        job = Job(subject.suite, subject.case, self._routines[text])
        try:
            answered = await (asker or self._job.asker).tried(job, sample)
        except BudgetExhaustedError:
            raise
        except (ModelCallError, SetupError) as error:
            raise IndecisiveError(f"{key}: {error}") from None
        if answered.error is not None:
            raise IndecisiveError(f"{key}: {answered.error}")
        self._attempts.setdefault((text, key), []).append(answered)
        return answered.passed


def _results(job: RepairJob) -> dict[str, CaseResult]:
    by_case = {(id(run.suite), result.case.id): result for run in job.runs for result in run.results}
    return {subject.key: by_case[id(subject.suite), subject.case.id] for subject in job.subjects}


def _output(attempt: Attempt) -> object:
    """All in which a second asking may differ: what was said, and, where a model judges, the verdicts. None where that
    is not known, as of a test whose app asks a model itself."""
    asked = [exchange.reply for exchange in attempt.exchanges] or [attempt.reply]
    replies = [reply for reply in asked if reply is not None]
    if not replies:
        return None
    outputs = tuple((one.text, *((call.name, call.raw_arguments) for call in one.tool_calls)) for one in replies)
    calls = tuple((call.name, call.raw_arguments) for call in attempt.calls)
    said = tuple((message.role, message.content) for message in attempt.transcript)
    return (attempt.passed, outputs, calls, said, tuple(verdict.passed for verdict in attempt.verdicts))


def _also_ran(standing: Standing) -> str:
    if not standing.left:
        return f"fixes {len(standing.fixed)} cases; another proposal does as well or better"
    return f"fixes {len(standing.fixed)} cases so far, {len(standing.left)} not tried: another proposal was ahead"
