"""A session in a worker of pytest-xdist: it runs the items, and asks the controller for what they are judged by."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_metaprompt.plugin.case_results import CaseKey
from pytest_metaprompt.plugin.kinds import Kind
from pytest_metaprompt.plugin.options import Options
from pytest_metaprompt.plugin.questions import Judge, Load, Record, ResultOf, Selected
from pytest_metaprompt.plugin.session import LoadedSuite, PromptSession, StoppedError
from pytest_metaprompt.plugin.wires import Wires
from pytest_metaprompt.results import CaseResult, GateResult
from pytest_metaprompt.suites import SuiteKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_metaprompt.plugin.models import Models
    from pytest_metaprompt.plugin.session import Tracked


class WorkerSession(PromptSession):
    """What a worker knows of the session; the rest is asked for."""

    def __init__(self, config: pytest.Config, options: Options, wires: Wires) -> None:
        self._wires = wires
        super().__init__(config, options)

    def open_models(self) -> Models:
        """Models that are asked by the controller."""
        from pytest_metaprompt.plugin.distant import DistantModels

        return DistantModels(self._wires, self.options, root=self.root)

    def select(self, items: Sequence[Tracked]) -> None:
        """Tell the controller what is to be run. Nothing is, if any suite cannot be used: the controller says why."""
        super().select(items)
        python = tuple(one for one in self.suites.values() if one.python)
        problems = tuple(str(problem) for problem in self.problems)
        selected = Selected(self.tracked, python, problems, tuple(self.notes), self.all_unchanged)
        self.may_run = self._wires.ask(selected)

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

    def _load(self, path: Path, kind: Kind) -> tuple[LoadedSuite, ...]:
        return self._wires.ask(Load(path, kind))
