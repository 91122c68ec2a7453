"""The Python tests of a session that use the `routine` fixture: as suites, as they are run, and run again."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import pytest

from pytest_metaprompt.clients.models import parse_model
from pytest_metaprompt.errors import MetapromptError, Place, SuiteFileError
from pytest_metaprompt.formats.markers import MarkerReader
from pytest_metaprompt.plugin.asking import Line, TestRun
from pytest_metaprompt.plugin.described import describe, with_inputs, with_tools
from pytest_metaprompt.plugin.fixtures import MARKER_NAME
from pytest_metaprompt.plugin.junit import case_properties
from pytest_metaprompt.plugin.loading import overridden
from pytest_metaprompt.plugin.routine_handle import RoutineHandle
from pytest_metaprompt.plugin.running import log, run_phases, twin
from pytest_metaprompt.plugin.tested import Plan, Tested
from pytest_metaprompt.results import CaseResult, Outcome, Run
from pytest_metaprompt.routines import Routine, open_routine
from pytest_metaprompt.runner import Asker, outcome_of
from pytest_metaprompt.suites import Suite, SuiteKey

if TYPE_CHECKING:
    from pytest_metaprompt.plugin.session import LoadedSuite, PromptSession

Value = TypeVar("Value")

HOW = '@pytest.mark.metaprompt("routines/my_routine.md", target="provider:name")'


class PythonTests:
    """All tests that use the fixture."""

    def __init__(self, session: PromptSession) -> None:
        self._session = session
        self._tests: dict[str, Tested] = {}
        self._by_case: dict[tuple[SuiteKey, str], Tested] = {}
        self._keys: dict[str, SuiteKey] = {}
        self._room = asyncio.Semaphore(session.options.concurrency)
        self._line = self.line(session.models.asker())

    def line(self, asker: Asker) -> Line:
        """How a test reaches its models."""
        return Line(asker, self._submit, self._room)

    def _submit(self, work: Coroutine[object, object, Value]) -> Future[Value]:
        return self._session.thread.submit(work)

    def add(self, items: Iterable[pytest.Item]) -> None:
        """Read the tests' markers and make suites of them; problems are kept with those of the session."""
        problems: dict[tuple[str, str], MetapromptError] = {}
        for item in items:
            try:
                self._tests[item.nodeid] = self._read(item)
            except MetapromptError as error:
                # What the marker of a module gets wrong is told once, not for each of its tests.
                for problem in error.problems if isinstance(error, SuiteFileError) else (error,):
                    problems.setdefault((str(item.path), problem.message), problem)
        self._session.problems.extend(problems.values())
        self._make_suites()

    def of(self, item: pytest.Item) -> Tested | None:
        """The test of an item, if it is one of these."""
        return self._tests.get(item.nodeid)

    def in_repair(self, loaded: LoadedSuite, run: Run) -> tuple[LoadedSuite, Run]:
        """The suite and its results without the tests that a repair must leave alone, with what the others gave.

        Left out are tests that were skipped, that are expected to fail, and those with `repair=False`. The tools that
        the tests offered to the target are among its parameters.
        """
        if not loaded.python or self._session.distributed:
            return loaded, run
        tests = [one for one in self._tests.values() if one.suite.key == loaded.suite.key]
        found = {result.case.id: result for result in run.results}
        results = [found[one.case.id] for one in tests if one.case.id in found and one.again and not one.foreseen]
        results = [result for result in results if result.outcome != "skipped"]
        missing = [one.case for one in tests if one.case.id not in found and one.again]
        cases = (*(result.case for result in results), *missing)
        suite = replace(loaded.suite, cases=cases, target=with_tools(loaded.suite.target, results))
        return replace(loaded, suite=suite), Run(suite, tuple(results))

    def unknown_beside(self, group: Iterable[LoadedSuite]) -> str | None:
        """Why there may be tests of these files that this session cannot run; None if it can run them all."""
        config = self._session.config
        files = {loaded.suite.path for loaded in group if loaded.python}
        if files and self._session.distributed:
            return "a repair runs its Python tests again, which pytest-xdist leaves to workers; run it with -n 0"
        for word in config.args:
            path, chosen, _ = word.partition("::")
            if chosen and (config.invocation_params.dir / path).resolve() in files:
                return f"only some tests of {path} were collected, and a repair is proved on all of them; name the file"
        left_out = getattr(config.pluginmanager.get_plugin("lfplugin"), "_skipped_files", 0)
        return "--lf left whole files out, and a repair is proved on all tests; run without it" if left_out else None

    def known_as(self, suite: SuiteKey, case: str) -> Tested | None:
        """The test that is a case of a suite, if it is one."""
        return self._by_case.get((suite, case))

    def handle_of(self, item: pytest.Item) -> RoutineHandle:
        """What the fixture gives to a test that is being run."""
        test = self.of(item)
        if test is None:
            pytest.fail("routine must be an argument of the test, or of a fixture that is one", pytrace=False)
        return RoutineHandle(test.begun())

    def note(self, item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
        """Take note of what pytest found in a phase of a run."""
        test = self.of(item)
        if test is None:
            return
        test.note(call, report)
        self._session.seconds += report.duration
        if report.when == "teardown" and test.ended is not None and not test.led:
            self._conclude(test, [test.ended], report)

    def run_here(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        """Run a test that is to be run several times, or again for a repair; whether that was done."""
        test = self.of(item)
        if test is None or item.config.getoption("setuponly", default=False):
            return False
        if test.led:
            run_phases(item, nextitem)
        elif test.suite.repeat > 1:
            self._run_repeatedly(test, nextitem)
        else:
            return False
        return True

    def run_again(self, test: Tested, plan: Plan) -> TestRun:
        """One more run of a test, under another routine. Only in pytest's own thread."""
        item, usual, seconds = test.item, test.plan, self._session.seconds
        test.plan, test.led, test.ended = plan, True, None
        try:
            item.ihook.pytest_runtest_protocol(item=item, nextitem=twin(item))
        finally:
            test.plan, test.led, test.run = usual, False, None
            self._session.seconds = seconds
        if test.ended is None:
            raise MetapromptError(f"{item.nodeid} was not run: another plugin runs the tests")
        return test.ended

    def _run_repeatedly(self, test: Tested, nextitem: pytest.Item | None) -> None:
        """Run the test as often as its suite says; what is logged is the run that tells the most."""
        item, usual, runs, pages = test.item, test.plan, [], []
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        test.led = True
        for sample in range(test.suite.repeat):
            test.plan = replace(usual, sample=sample)
            last = sample == test.suite.repeat - 1
            pages.append(run_phases(item, nextitem if last else twin(item)))
            if test.ended is not None:
                runs.append(test.ended)
        test.plan, test.led = usual, False
        outcome = self._conclude(test, runs, pages[-1][-1])
        at = next((index for index, run in enumerate(runs) if run.finding.outcome == outcome), 0)
        log(item, _told(pages, at, runs, test.suite, outcome))
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)

    def _conclude(self, test: Tested, runs: Sequence[TestRun], last: pytest.TestReport) -> Outcome:
        attempts = [run.attempt() for run in runs]
        case = with_inputs(test.case, attempts)
        outcome = (
            "skipped" if any(run.finding.outcome == "skipped" for run in runs) else outcome_of(test.suite, attempts)
        )
        result = CaseResult(case, tuple(replace(attempt, case=case) for attempt in attempts), outcome)
        self._session.record(test.suite.key, result)
        name = test.item.nodeid.partition("::")[0]
        last.user_properties += case_properties(test.item.nodeid, name, test.suite, result)
        return outcome

    def _read(self, item: pytest.Item) -> Tested:
        root, options = self._session.root, self._session.options
        name = item.nodeid.partition("::")[0]
        case = describe(item, shown_path=name)
        settings = _settings(item, case.where)
        if options.target is not None:
            settings.setdefault("target", options.target)
        suite, again = MarkerReader(item.path, root, parse_model).read(settings, case.where.line or 1)
        # Without gates: a test that fails shall fail.
        suite = replace(overridden(suite, options), gate=None)
        if suite.target is None:
            hint = 'add target="provider:name" to the marker, or pass --metaprompt-target'
            raise MetapromptError("metaprompt marker: there is no target", where=case.where, hint=hint)
        routine = open_routine(suite.routine, root=root)
        again = again and "subtests" not in getattr(item, "fixturenames", ())
        suite = replace(suite, part=self._part(suite, routine))
        return Tested(item, suite, case, Plan(routine, 0, self._line), again)

    def _part(self, suite: Suite, routine: Routine) -> str:
        """What tells tests of a file apart that ask another routine or target, or with other settings."""
        told = repr(replace(suite, routine=replace(suite.routine, where=None)))
        label = f"{routine.name} {suite.target}"
        if told not in self._keys:
            same = sum(path == suite.path and part.startswith(label) for path, part in self._keys.values())
            self._keys[told] = (suite.path, f"{label} ({same + 1})" if same else label)
        return self._keys[told][1]

    def _make_suites(self) -> None:
        from pytest_metaprompt.plugin.session import LoadedSuite

        groups: dict[SuiteKey, list[Tested]] = {}
        for test in self._tests.values():
            groups.setdefault(test.suite.key, []).append(test)
            self._by_case[test.suite.key, test.case.id] = test
        for key, group in groups.items():
            suite = replace(group[0].suite, cases=tuple(test.case for test in group))
            name = group[0].item.nodeid.partition("::")[0]
            self._session.suites[key] = LoadedSuite(name, suite, group[0].plan.routine, python=True)


def _settings(item: pytest.Item, where: Place) -> dict[str, object]:
    """What the markers say, each setting by the closest one that has it."""
    markers = list(item.iter_markers(MARKER_NAME))
    if not markers:
        raise MetapromptError(
            "the test uses the routine fixture and has no metaprompt marker", where=where, hint=f"add {HOW}"
        )
    settings: dict[str, object] = {}
    for marker in reversed(markers):
        if len(marker.args) > 1:
            raise MetapromptError("metaprompt marker: one path at most", where=where, hint=f"write {HOW}")
        settings.update({"routine": marker.args[0]} if marker.args else {})
        settings.update({key: value for key, value in marker.kwargs.items() if value is not None})
    if "routine" not in settings:
        raise MetapromptError("metaprompt marker: it names no routine", where=where, hint=f"write {HOW}")
    return settings


def _told(
    pages: Sequence[Sequence[pytest.TestReport]], at: int, runs: Sequence[TestRun], suite: Suite, outcome: Outcome
) -> list[pytest.TestReport]:
    """The reports of one run, with the teardown of the last one, in which more was torn down."""
    *reports, teardown = pages[at]
    if outcome in ("failed", "error"):
        passed = sum(run.finding.outcome == "passed" for run in runs)
        line = f"{passed} of {len(runs)} runs passed, {suite.required_passes} must; this is run {at + 1}"
        reports[-1].sections.append(("metaprompt", line))
    return [*reports, teardown if teardown.failed else pages[-1][-1]]
