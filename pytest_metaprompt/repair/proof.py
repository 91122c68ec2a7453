"""What a finalist has to show before it becomes the current routine: fixes that hold, nothing broken, and the same on
cases that nothing was learned from."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_metaprompt.repair.acceptance import Standing, Strictness, confirm, guard, hold_out, strictness, veto
from pytest_metaprompt.repair.job import Findings, RepairJob
from pytest_metaprompt.repair.memory import UNSEEN, Ruling
from pytest_metaprompt.repair.showing import shown_cases
from pytest_metaprompt.repair.trials import Trials
from pytest_metaprompt.results import Count


class Proof:
    """Examines finalists against the current routine of the findings, where it also notes what it learns of cases."""

    def __init__(self, job: RepairJob, trials: Trials, found: Findings) -> None:
        self._job = job
        self._trials = trials
        self._bench = trials.bench
        self._found = found
        self._cases = {subject.key: subject.case for subject in job.subjects}

    async def examine(self, text: str, standing: Standing, *, proposals: int, step: str) -> Ruling:
        """What is decided of a finalist that came out of a race of so many proposals.

        Raises:
            IndecisiveError: A trial could not be made.
        """
        bench, old = self._bench, self._found.current.text
        strict = strictness(exact=self._found.exact, flaky=len(self._found.flaky), proposals=proposals)
        if not self._found.exact:
            self._job.progress(f"{step}: confirming {len(standing.fixed)} fixes")
        confirmed = await confirm(bench, old, text, standing.fixed, strict)
        self._found.flaky.update(confirmed.flaky)
        if not confirmed.fixed:
            return Ruling("its fixes did not hold when asked again")
        passing = sorted(self.passing(), key=self._risk)
        self._job.progress(f"{step}: guarding {len(passing)} passing cases")
        broken = await guard(bench, old, text, passing)
        if broken:
            self._lose(broken)
            evidence = tuple(self._trials.observations(text, broken))
            return Ruling(f"breaks {', '.join(map(repr, broken))}", confirmed.fixed, broken, evidence)
        if self._found.sides.holdout:
            self._job.progress(f"{step}: hold-out of {len(self._found.sides.holdout)} cases")
        objection = await self._held_out_objection(text, confirmed.fixed, strict)
        if objection is None:
            for key in self.shown(text):
                await bench.first(text, key)
        return Ruling(objection and f"{UNSEEN}{objection}", confirmed.fixed)

    def lacking(self) -> str | None:
        """What the current routine lacks in the end, if anything: one of the held-out failures must be fixed, if there
        are any, since small steps add up to no proof."""
        text = self._found.current.text
        held = self._fixed(self._found.sides.holdout, text, set())
        if text == self._job.routine.text or held.passed or not held.total:
            return None
        train = self._fixed(self._found.sides.train, text, set())
        return (
            f"{UNSEEN}does not generalise: fixes {train} of the training failures, "
            f"but none of {held.total} held-out ones"
        )

    def passing(self) -> list[str]:
        """The training cases that pass under the current routine."""
        text = self._found.current.text
        return [key for key in self._steady(self._found.sides.train) if self._bench.state(text, key) == "passing"]

    def shown(self, text: str) -> frozenset[str]:
        """The cases that a text shows with their answers."""
        return shown_cases(self._trials.routine(text), self._job.subjects)

    async def _held_out_objection(self, new: str, confirmed: Sequence[str], strict: Strictness) -> str | None:
        sides, old = self._found.sides, self._found.current.text
        held = await hold_out(self._bench, old, new, self._steady(sides.holdout), strict)
        self._lose(held.broken)
        now = {*confirmed, *held.fixed}
        train, far = (self._fixed(side, new, now) for side in (sides.train, sides.holdout))
        return veto(broken=held.broken, train=train, held=far)

    def _lose(self, broken: Sequence[str]) -> None:
        self._found.lost.extend(key for key in broken if key not in self._found.lost)

    def _fixed(self, side: Sequence[str], text: str, now: set[str]) -> Count:
        """Of the cases on a side that failed under the routine as it was: how many pass under a text.

        `now` holds the fixes that were just confirmed; what was fixed before was guarded. Cases that the text
        shows with their answers do not count.
        """
        first, shown = self._job.routine.text, self.shown(text)
        failed = [key for key in self._steady(side) if self._bench.state(first, key) == "failing" and key not in shown]
        fixed = [key for key in failed if key in now or self._bench.state(self._found.current.text, key) == "passing"]
        return Count(len(fixed), len(failed))

    def _risk(self, key: str) -> tuple[bool, bool, int]:
        """To sort by: once broken first, then protected ones, then the short ones."""
        case = self._cases[key]
        size = len(case.input or "") + sum(len(str(value)) for value in case.vars.values())
        return (key not in self._found.lost, not case.protected, size)

    def _steady(self, keys: Sequence[str]) -> list[str]:
        return [key for key in keys if key not in self._found.flaky]
