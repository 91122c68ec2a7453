"""How a repair tries its cases: those of suite files by asking the target, Python tests by running them again."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pytest_metaprompt.errors import BudgetExhaustedError, ModelCallError
from pytest_metaprompt.plugin.main_thread import MainThread
from pytest_metaprompt.plugin.python_tests import PythonTests
from pytest_metaprompt.plugin.tested import Plan
from pytest_metaprompt.results import Attempt
from pytest_metaprompt.runner import Asker, Job


@dataclass(frozen=True, slots=True)
class Trier:
    """Tries cases of both kinds. Tests run one at a time, in pytest's own thread; cases are asked meanwhile."""

    asker: Asker
    tests: PythonTests
    main: MainThread

    async def tried(self, job: Job, sample: int) -> Attempt:
        """One asking of a case, or one run of a test.

        Raises:
            ModelCallError: There is no answer that could be judged, or the budget is used up.
            SetupError: The target cannot be asked at all.
        """
        test = self.tests.known_as(job.suite.key, job.case.id)
        if test is None:
            return await self.asker.tried(job, sample)
        plan = Plan(job.routine, sample, self.tests.line(self.asker))
        run = await self.main.do(lambda: self.tests.run_again(test, plan))
        if isinstance(run.trouble, BudgetExhaustedError):
            raise run.trouble
        if run.finding.outcome == "skipped":
            raise ModelCallError(f"the test was skipped: {run.finding.reason}")
        return replace(run.attempt(), case=job.case)
