"""What one pytest session knows of its prompt suites: what was loaded, what runs, what came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

from pytest_metaprompt.errors import MetapromptError, SuiteFileError
from pytest_metaprompt.plugin.kinds import Kind
from pytest_metaprompt.plugin.loop_thread import LoopThread
from pytest_metaprompt.plugin.main_thread import MainThread
from pytest_metaprompt.plugin.models import Models
from pytest_metaprompt.plugin.options import Options
from pytest_metaprompt.plugin.progress import Progress
from pytest_metaprompt.plugin.waiting import SHOWN_EVERY_S, Waiting
from pytest_metaprompt.results import CaseResult, GateResult, RepairOutcome, Run
from pytest_metaprompt.routines import Routine
from pytest_metaprompt.suites import GateSettings, Suite, SuiteKey

if TYPE_CHECKING:
    from pytest_metaprompt.baselines import Comparison
    from pytest_metaprompt.plugin.collection import CaseItem
    from pytest_metaprompt.plugin.comparing import Comparing
    from pytest_metaprompt.repair.patches import FileChange

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class CaseKey:
    """A case among all suites."""

    suite: SuiteKey
    case: str


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
    patch, `notes` lines for the summary."""

    def __init__(self, config: pytest.Config, options: Options) -> None:
        from pytest_metaprompt.plugin.python_tests import PythonTests

        self.config = config
        self.options = options
        self.root = config.rootpath
        self.hook = config.hook
        self.problems: list[MetapromptError] = []
        self.suites: dict[SuiteKey, LoadedSuite] = {}
        self.models = Models(options, root=self.root)
        self.main = MainThread()
        self.repairs: list[RepairOutcome] = []
        self.changes: list[FileChange] = []
        self.generated: set[Path] = set()
        self.notes: list[str] = []
        self.final: dict[SuiteKey, Run] = {}
        self.seconds = 0.0
        self.progress: Progress | None = None
        self.waiting = Waiting(config)
        self.comparing: Comparing | None = None
        self.in_worker = hasattr(config, "workerinput")
        self.max_failures: int | None = config.getoption("maxfail") or None
        self._loaded: dict[Path, tuple[LoadedSuite, ...]] = {}
        self._thread: LoopThread | None = None
        self._selected: list[CaseItem] = []
        self._futures: dict[CaseKey, Future[CaseResult]] = {}
        self.tests = PythonTests(self)

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

    def select(self, items: Sequence[CaseItem]) -> None:
        """Take note of the cases that are to be run, in their order."""
        self._selected = list(items)

    def result_of(self, item: CaseItem) -> CaseResult:
        """The case's result, waiting for it. The first call sets all selected cases going."""
        if item.key not in self._futures:
            self._begin([item] if self.in_worker else self._selected)
        return self.wait(self._futures[item.key])

    def wait(self, future: Future[Value]) -> Value:
        """The result of work under way; how far it is and what it waits for is shown meanwhile."""
        if future.done():
            return future.result()
        try:
            self._show_progress()
            return self.main.wait_for(future, idle=self._show_progress, every_s=SHOWN_EVERY_S)
        finally:
            self.waiting.end()

    def _show_progress(self) -> None:
        going = self.progress is not None and self.progress.done < self.progress.total
        self.waiting.show(self.models.waits_for(), self.progress if going else None)

    @property
    def out_of_time(self) -> bool:
        """Whether the run of the cases was ended by its time limit."""
        return self.options.timeout_s is not None and self.seconds >= self.options.timeout_s

    def record(self, suite: SuiteKey, result: CaseResult) -> None:
        """Keep the result of a case that was not asked here, such as a Python test."""
        future: Future[CaseResult] = Future()
        future.set_result(result)
        self._futures[CaseKey(suite, result.case.id)] = future

    def runs(self) -> dict[SuiteKey, Run]:
        """What is known of each suite so far."""
        done = {
            key: future.result()
            for key, future in self._futures.items()
            if future.done() and not future.cancelled() and future.exception() is None
        }
        runs = {}
        for key, loaded in self.suites.items():
            results = [done.get(CaseKey(key, case.id)) for case in loaded.suite.cases]
            runs[key] = Run(loaded.suite, tuple(result for result in results if result is not None))
        return runs

    def seconds_of(self, suite: SuiteKey) -> float:
        """From the first call for a suite to its last result; for Python tests, the time that their calls took."""
        if self.progress is not None and suite in self.progress.suites:
            return self.progress.seconds_of(suite)
        replies = [one.reply for result in self.runs()[suite].results for one in result.attempts]
        return sum(reply.latency_s for reply in replies if reply is not None)

    def unselected(self, loaded: LoadedSuite) -> int:
        """How many of a suite's cases are not to be run in this session."""
        selected = {item.key for item in self._selected}
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
        if self.in_worker:
            return GateResult(loaded.suite, False, ("a gate cannot be judged under xdist: run it with -n 0",))
        run = runs[loaded.suite.key]
        if not run.complete:
            return f"gate not judged: {len(run.results)} of {len(loaded.suite.cases)} cases were run"
        found = self.comparison(loaded, run)
        regressed = None if found is None else found.regressions
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

    def wait_for(self, loaded: LoadedSuite) -> None:
        """Wait until every selected case of a suite has its result."""
        for item in self._selected:
            if item.loaded is loaded and not self.in_worker:
                self.result_of(item)

    @property
    def thread(self) -> LoopThread:
        """The thread that all calls run in, begun when it is first needed."""
        if self._thread is None:
            self._thread = LoopThread()
        return self._thread

    def close(self) -> None:
        """Stop what is under way and let go of the models."""
        if self._thread is None:
            return
        for future in self._futures.values():
            future.cancel()
        self._thread.close(self.models.close())
        self._thread = None

    def _begin(self, items: Sequence[CaseItem]) -> None:
        from pytest_metaprompt.runner import Job, run_jobs

        futures: list[Future[CaseResult]] = [Future() for _ in items]
        self._futures.update({item.key: future for item, future in zip(items, futures, strict=True)})
        jobs = [Job(item.loaded.suite, item.case, item.loaded.routine) for item in items]
        progress = self.progress = Progress([item.key.suite for item in items])

        def report(index: int, result: CaseResult) -> None:
            progress.ended(index, result)
            self.seconds = progress.seconds
            with suppress(InvalidStateError):  # cancelled meanwhile: nobody wants the result
                futures[index].set_result(result)

        def broken(index: int, error: Exception) -> None:
            with suppress(InvalidStateError):
                futures[index].set_exception(error)

        thread = self.thread  # Before there is work: Ctrl-C may come while it begins.
        everything = sum(job.suite.repeat for job in jobs)
        work = run_jobs(
            self.models.asker(batched=True),
            jobs,
            # A batch takes all questions at once; live calls then keep to the limit by themselves.
            limit=everything if self.options.batch else self.options.concurrency,
            report=report,
            broken=broken,
            max_failures=self.max_failures,
            begun=progress.begun,
            max_seconds=self.options.timeout_s,
        )
        thread.submit(work).add_done_callback(lambda done: _pass_on(done, futures))


def _pass_on(done: Future[None], futures: Sequence[Future[CaseResult]]) -> None:
    """Nobody waits for ever: what ended the run ends every case that has no result."""
    trouble = RuntimeError("the run was stopped") if done.cancelled() else done.exception()
    for future in futures:
        if not future.done():
            future.set_exception(trouble or RuntimeError("the run was stopped after enough failures"))
