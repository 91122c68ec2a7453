"""Jobs: one case that breaks down takes no other with it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from pytest_metaprompt.errors import Place
from pytest_metaprompt.jobs import run_jobs
from pytest_metaprompt.results import Attempt, CaseResult, Reply, Verdict
from pytest_metaprompt.routines import parse_routine
from pytest_metaprompt.runner import Job
from pytest_metaprompt.suites import Case, RoutineRef, Suite


class Faulty:
    """An asker with a fault for one case."""

    async def attempt(self, suite: Suite, case: Case, routine: Any, sample: int, memory: Any) -> Attempt:
        await asyncio.sleep(0)
        if case.id == "second":
            raise ZeroDivisionError("a fault of ours")
        return Attempt(case, sample=sample, reply=Reply("x"), verdicts=(Verdict("equals", True, 1.0, ""),))


def test_a_fault_breaks_its_own_case_and_the_others_are_reported() -> None:
    cases = tuple(Case(name, Place("s", 1), input="x") for name in ("first", "second", "third"))
    suite = Suite(Path("s"), RoutineRef(inline="x"), cases, repeat=2)
    jobs = [Job(suite, case, parse_routine("x", name="r", form="plain")) for case in cases]
    reported: dict[int, CaseResult] = {}
    broken: dict[int, Exception] = {}
    work = run_jobs(Faulty(), jobs, limit=2, report=reported.__setitem__, broken=broken.__setitem__)  # type: ignore[arg-type]
    asyncio.run(work)
    assert {index: result.outcome for index, result in reported.items()} == {0: "passed", 2: "passed"}
    assert str(broken[1]) == "a fault of ours"
