"""What one pytest session knows of its prompt suites: what was loaded, what runs, what came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock, current_thread, main_thread
from typing import TYPE_CHECKING, TypeVar

import pytest

from pytest_metaprompt.errors import MetapromptError, SuiteFileError
from pytest_metaprompt.plugin.case_results import CaseKey, CaseResults
from pytest_metaprompt.plugin.kinds import Kind
from pytest_metaprompt.plugin.loop_thread import LoopThread
from pytest_metaprompt.plugin.main_thread import MainThread
from pytest_metaprompt.plugin.options import Options
from pytest_metaprompt.plugin.progress import Progress
from pytest_metaprompt.plugin.waiting import SHOWN_EVERY_S, Waiting
from pytest_metaprompt.results import CaseResult, GateResult, RepairOutcome, Run, Unguarded
from pytest_metaprompt.routines import Routine
from pytest_metaprompt.suites import GateSettings, Suite, SuiteKey

if TYPE_CHECKING:
    from pytest_metaprompt.baselines import Comparison
    from pytest_metaprompt.plugin.comparing import Comparing
    from pytest_metaprompt.plugin.crew import Crew
    from pytest_metaprompt.plugin.models import Models
    from pytest_metaprompt.plugin.python_tests import PythonTests
    from pytest_metaprompt.plugin.swapping import Swap
    from pytest_metaprompt.repair.patches import FileChange

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Tracked:
    """An item that is to be run, as the session knows it: a case or a Python test, or a gate where `case` is None."""

    nodeid: str
    suite: SuiteKey
    case: str | None

    @property
    def key(self) -> CaseKey | None:
        """What its result is known by; None for a gate."""
        return None if self.case is None else CaseKey(self.suite, self.case)


class StoppedError(RuntimeError):
    """The run was stopped before there was a result that was waited for."""


@dataclass(frozen=True, slots=True)
class LoadedSuite:
    """A suite with its routine, and the name it goes by. `python` tells the tests of a Python file."""

    name: str
    suite: Suite
    routine: Routine
    python: bool = False

    @property
    def title(self) -> str:
        """The name, with the routine where a file may have tests of several."""
        return f"{self.name} ({self.routine.name})" if self.python else self.name


class PromptSession:
    """The state of a session. `final` holds the runs that applied repairs replaced, `changes` what is kept for a
    patch, `notes` lines for the summary. `crew` are the workers of pytest-xdist, which run the items then."""

    def __init__(self, config: pytest.Config, options: Options) -> None:
        self.config = config
        self.options = options
        self.root = config.rootpath
        self.problems: list[MetapromptError] = []
        self.suites: dict[SuiteKey, LoadedSuite] = {}
        self.main = MainThread()
        self.repairs: list[RepairOutcome] = []
        self.changes: list[FileChange] = []
        self.generated: set[Path] = set()
        self.notes: list[str] = []
        self.unguarded: dict[SuiteKey, Unguarded] = {}
        self.swaps: dict[SuiteKey, Swap] = {}
        self.final: dict[SuiteKey, Run] = {}
        self.seconds = 0.0
        self.progress: Progress | None = None
        self.waiting = Waiting(config)
        self.comparing: Comparing | None = None
        self.in_worker = hasattr(config, "workerinput")
        self.crew: Crew | None = None
        self.all_unchanged = False
        self.may_run = True
        self.max_failures: int | None = config.getoption("maxfail") or None
        self._loaded: dict[Path, tuple[LoadedSuite, ...]] = {}
        self._thread: LoopThread | None = None
        self._beginning = Lock()
        self._opening = Lock()
        self.tracked: tuple[Tracked, ...] = ()
        self._results = CaseResults()

    @cached_property
    def models(self) -> Models:
        """What the session asks its models with."""
        return self.open_models()

    @cached_property
    def tests(self) -> PythonTests:
        """The tests that use the `routine` fixture."""
        from pytest_metaprompt.plugin.python_tests import PythonTests

        return PythonTests(self)

    def open_models(self) -> Models:
        """The models, when the first of them is needed."""
        from pytest_metaprompt.plugin.models import Models

        return Models(self.options, root=self.root)

    def load(self, path: Path, kind: Kind) -> tuple[LoadedSuite, ...]:
        """The suites in a file; none if it cannot be used, and then its problems are kept."""
        if path not in self._loaded:
            self._loaded[path] = self._load(path, kind)
            for loaded in self._loaded[path]:
                self.notes += loaded.suite.column.notes if loaded.suite.column is not None else ()
            self.suites.update({loaded.suite.key: loaded for loaded in self._loaded[path]})
        return self._loaded[path]

    def _load(self, path: Path, kind: Kind) -> tuple[LoadedSuite, ...]:
        from pytest_metaprompt.plugin.loading import load_suites

        try:
            self.models.cassettes.of(path)  # One that cannot be used is told before anything runs.
            if self.options.generate and kind == "native" and not self.config.option.collectonly:
                return self._generated(path)
            return load_suites(path, kind, root=self.root, options=self.options)
        except SuiteFileError as error:
            self.problems.extend(error.problems)
        except MetapromptError as error:
            self.problems.append(error)
        return ()

    def _generated(self, path: Path) -> tuple[LoadedSuite, ...]:
        from pytest_metaprompt.plugin.generating import at_home_here, generate_missing
        from pytest_metaprompt.plugin.loading import load_suites

        generate_missing(self, path)
        loaded = load_suites(path, "native", root=self.root, options=self.options)
        return tuple(at_home_here(self, one) for one in loaded)

    @property
    def distributed(self) -> bool:
        """Whether this is the controller of pytest-xdist."""
        return self.crew is not None

    def affected(self, base: str) -> frozenset[SuiteKey]:
        """The suites that have changes against a revision.

        Raises:
            pytest.UsageError: There is no git repository, or no such revision.
        """
        from pytest_metaprompt.plugin.changed import affected_suites

        return affected_suites(self, base)

    def select(self, items: Sequence[Tracked]) -> None:
        """Take note of what is to be run, in its order."""
        self.tracked = tuple(items)

    def result_of(self, key: CaseKey) -> CaseResult:
        """The case's result, waiting for it. The first call sets all selected cases going."""
        return self._results.get(key) or self.wait(self.future_of(key))

    def future_of(self, key: CaseKey) -> Future[CaseResult]:
        """The case's result, as soon as it is there. From any thread."""
        if not self._results.knows(key):
            self.begin()
        return self._results.future(key)

    def begin(self) -> None:
        """Set all selected cases going that are not yet. From any thread."""
        with self._beginning:
            waiting = [key for key in self._selected if not self._results.knows(key)]
            if waiting:
                from pytest_metaprompt.plugin.case_runs import set_going

                set_going(self, waiting, self._results)

    @property
    def _selected(self) -> list[CaseKey]:
        """The cases of suite files that are to be run."""
        keys = (one.key for one in self.tracked if not self.suites[one.suite].python)
        return [key for key in dict.fromkeys(keys) if key is not None]

    def wait(self, future: Future[Value]) -> Value:
        """The result of work under way; in pytest's own thread it is shown meanwhile how far it is and what it waits
        for."""
        if future.done() or current_thread() is not main_thread():
            return future.result()
        try:
            self.show_progress()
            return self.main.wait_for(future, idle=self.show_progress, every_s=SHOWN_EVERY_S)
        finally:
            self.waiting.end()

    def show_progress(self) -> None:
        """Show how far the cases are, and what they wait for."""
        going = self.progress is not None and self.progress.done < self.progress.total
        self.waiting.show(self.models.waits_for(), self.progress if going else None)

    @property
    def out_of_time(self) -> bool:
        """Whether the run of the cases was ended by its time limit."""
        return self.options.timeout_s is not None and self.seconds >= self.options.timeout_s

    def record(self, suite: SuiteKey, result: CaseResult) -> None:
        """Keep the result of a case that was not asked here, such as a Python test."""
        self._results.keep(CaseKey(suite, result.case.id), result)

    def runs(self) -> dict[SuiteKey, Run]:
        """What is known of each suite so far."""
        found = self._results.found()
        runs = {}
        for key, loaded in self.suites.items():
            results = found.get(key, {})
            runs[key] = Run(loaded.suite, tuple(results[one.id] for one in loaded.suite.cases if one.id in results))
        return runs

    def seconds_of(self, suite: SuiteKey) -> float:
        """From the first call for a suite to its last result; for Python tests, the time that their calls took."""
        if self.progress is not None and suite in self.progress.suites:
            return self.progress.seconds_of(suite)
        replies = [one.reply for result in self.runs()[suite].results for one in result.attempts]
        return sum(reply.latency_s for reply in replies if reply is not None)

    def unselected(self, loaded: LoadedSuite) -> int:
        """How many of a suite's cases are not to be run in this session."""
        selected = {one.key for one in self.tracked}
        return sum(CaseKey(loaded.suite.key, case.id) not in selected for case in loaded.suite.cases)

    def final_runs(self) -> dict[SuiteKey, Run]:
        """The runs under the routines as they are on disk now."""
        return {**self.runs(), **self.final}

    def judge(self, loaded: LoadedSuite, *, runs: Mapping[SuiteKey, Run]) -> GateResult | str:
        """The gate's result on these runs, or why it cannot be judged."""
        from pytest_metaprompt.stats import judge_gate

        missing = self.unselected(loaded)
        if missing:
            return f"gate not judged: {missing} of {len(loaded.suite.cases)} cases were not selected"
        run = runs[loaded.suite.key]
        if not run.complete:
            return f"gate not judged: {len(run.results)} of {len(loaded.suite.cases)} cases were run"
        found = self.comparison(loaded, run)
        # What a run writes as the baseline is what it would be compared with.
        none = () if self.options.save_baseline is not None else None
        regressed = none if found is None else found.regressions
        return judge_gate(loaded.suite.gate or GateSettings(), run, regressed=regressed)

    def comparison(self, loaded: LoadedSuite, run: Run) -> Comparison | None:
        """How a run differs from the baseline; None without one. Cases that may be worse are asked again first."""
        return None if self.comparing is None else self.comparing.of(loaded, run)

    def ran_whole(self, path: Path) -> bool:
        """Whether every case in a suite file has a result that is no error."""
        runs = [run for key, run in self.runs().items() if key[0] == path]
        return bool(runs) and all(
            run.complete and all(result.outcome != "error" for result in run.results) for run in runs
        )

    def judged(self, loaded: LoadedSuite) -> GateResult | str:
        """The same, as soon as every selected case of the suite has its result."""
        for key in self._selected:
            if key.suite == loaded.suite.key:
                self.result_of(key)
        return self.judge(loaded, runs=self.runs())

    @property
    def thread(self) -> LoopThread:
        """The thread that all calls run in, begun when it is first needed. From any thread."""
        with self._opening:
            if self._thread is None:
                self._thread = LoopThread()
            return self._thread

    def close(self) -> None:
        """Stop what is under way and let go of the models."""
        if self._thread is None:
            return
        self._results.end(CancelledError())
        self._thread.close(self.models.close())
        self._thread = None
