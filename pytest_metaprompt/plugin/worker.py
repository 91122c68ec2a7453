"""A session in a worker of pytest-xdist: it runs the items, and asks the controller for what they are judged by."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Lock, Thread
from typing import TYPE_CHECKING

import pytest

from pytest_metaprompt import __version__
from pytest_metaprompt.errors import MetapromptError, ScorerError
from pytest_metaprompt.plugin.case_results import CaseKey
from pytest_metaprompt.plugin.checks import Check, runs_python
from pytest_metaprompt.plugin.kinds import Kind
from pytest_metaprompt.plugin.options import Options
from pytest_metaprompt.plugin.questions import (
    Affected,
    Help,
    Judge,
    Load,
    Raised,
    Record,
    ResultOf,
    Selected,
)
from pytest_metaprompt.plugin.session import LoadedSuite, PromptSession, StoppedError
from pytest_metaprompt.plugin.wires import Wires
from pytest_metaprompt.protocols import Scorer
from pytest_metaprompt.results import CaseResult, GateResult, Verdict
from pytest_metaprompt.suites import SuiteKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_metaprompt.plugin.models import Models
    from pytest_metaprompt.plugin.session import Tracked


class WorkerSession(PromptSession):
    """What a worker knows of the session; the rest is asked for. `version` is the controller's version of us."""

    def __init__(self, config: pytest.Config, options: Options, wires: Wires, *, version: str) -> None:
        self._wires = wires
        self._name: str = config.workerinput["workerid"]  # type: ignore[attr-defined]  # pytest-xdist sets it
        self._checking = Lock()
        self._ended = False
        super().__init__(config, options)
        if version != __version__:
            said = f"the workers have pytest-metaprompt {__version__}, and the controller has {version}"
            self.problems.append(MetapromptError(said, hint="install the same version everywhere"))

    def open_models(self) -> Models:
        """Models that are asked by the controller."""
        from pytest_metaprompt.plugin.distant import DistantModels

        return DistantModels(self._wires, self.options, root=self.root)

    def affected(self, base: str) -> frozenset[SuiteKey]:
        """The suites that have changes, as the controller finds; a worker's copy of the project may not be git's."""
        return self._wires.ask(Affected(base, self._python))

    def select(self, items: Sequence[Tracked]) -> None:
        """Tell the controller what is to be run. Nothing is, if any suite cannot be used: the controller says why."""
        super().select(items)
        problems = tuple(str(problem) for problem in self.problems)
        selected = Selected(self.tracked, self._python, problems, tuple(self.notes), self.all_unchanged)
        self.may_run = self._wires.ask(selected)
        if self.may_run and self._has_checks:
            Thread(target=self._help, name="metaprompt-help", daemon=True).start()

    def result_of(self, key: CaseKey) -> CaseResult:
        """The case's result; skipped if the run is stopped before it is there."""
        try:
            return self._wires.ask(ResultOf(key))
        except StoppedError as error:
            pytest.skip(str(error))

    def judged(self, loaded: LoadedSuite) -> GateResult | str:
        """The gate's result, or why it cannot be judged."""
        try:
            return self._wires.ask(Judge(loaded.suite.key))
        except StoppedError as error:
            return f"gate not judged: {error}"

    def record(self, suite: SuiteKey, result: CaseResult) -> None:
        """Give the result of a Python test to the controller."""
        self._wires.ask(Record(suite, result))

    def close(self) -> None:
        """End, but not in the middle of a check."""
        with self._checking:
            self._ended = True
            super().close()

    @property
    def _python(self) -> tuple[LoadedSuite, ...]:
        return tuple(one for one in self.suites.values() if one.python)

    @property
    def _has_checks(self) -> bool:
        cases = (case for loaded in self.suites.values() for case in loaded.suite.cases)
        return any(runs_python(one) for case in cases for one in case.assertions)

    def _load(self, path: Path, kind: Kind) -> tuple[LoadedSuite, ...]:
        # What another version would send may be another thing here.
        return () if self.problems else self._wires.ask(Load(path, kind))

    def _help(self) -> None:
        """Run the user's own checks, one after the other, beside the items."""
        offer = Help(self._name)
        try:
            while (check := self._wires.ask(offer)) is not None:
                with self._checking:
                    if self._ended:
                        return  # The controller gives the check to another one.
                    began = time.perf_counter()
                    verdict = self._verdict(check)
                    offer = Help(self._name, verdict, time.perf_counter() - began)
        except StoppedError:
            return

    def _verdict(self, check: Check) -> Verdict | Raised:
        try:
            return self.thread.submit(self._scorer(check).score(check.attempt)).result()
        except Exception as error:  # the fence around the user's code
            return Raised.of(error)

    def _scorer(self, check: Check) -> Scorer:
        suite = self.suites[check.suite].suite
        case = next(case for case in suite.cases if case.id == check.attempt.case.id)
        try:
            return self.models.asker().open_scorer(suite, case.assertions[check.at])
        except MetapromptError as error:  # Here, and not where the controller is: a package or a file is missing.
            raise ScorerError(error.message, where=error.where, hint=error.hint) from error
