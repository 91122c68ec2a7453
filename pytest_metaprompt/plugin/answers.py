"""What the controller of pytest-xdist answers its workers. It alone asks models, so that caps, cache, cassettes and
counts hold for all workers together."""

from __future__ import annotations

import asyncio
from concurrent.futures import CancelledError
from contextlib import suppress
from threading import Lock

import pytest

from pytest_metaprompt.errors import FileAccessError, MetapromptError
from pytest_metaprompt.files import read_text
from pytest_metaprompt.plugin.crew import Crew
from pytest_metaprompt.plugin.hooks import open_baseline_of
from pytest_metaprompt.plugin.keys import session_of
from pytest_metaprompt.plugin.packing import Packing
from pytest_metaprompt.plugin.questions import (
    Affected,
    Ask,
    Help,
    Judge,
    Load,
    Raised,
    Record,
    ResultOf,
    Selected,
)
from pytest_metaprompt.plugin.session import LoadedSuite, StoppedError
from pytest_metaprompt.results import GateResult, Reply
from pytest_metaprompt.suites import SuiteKey


class Answers:
    """Answers from any thread, until it is told to stop."""

    def __init__(self, config: pytest.Config) -> None:
        self.crew = Crew()
        self._stopped = False
        self._packing = Packing(config.rootpath)
        self._state = session_of(config)
        self._state.crew = self.crew
        self._models = self._state.models  # Opened here, before other threads could do so at the same time.
        self._affected: frozenset[SuiteKey] | None = None
        self._room = asyncio.Semaphore(self._state.options.concurrency)
        self._one_by_one = Lock()

    def stop(self) -> None:
        """Begin no more work."""
        self._stopped = True
        self.crew.dismiss()

    def show_progress(self) -> None:
        """Show how far the cases are, and what they wait for."""
        self._state.show_progress()

    def end_progress(self) -> None:
        """Take away what was shown."""
        self._state.waiting.end()

    def packed(self, question: bytes) -> bytes:
        """The answer to a question, or what went wrong with it."""
        try:
            return self._packing.pack(self._answer(self._packing.unpack(question)))
        except CancelledError:
            return self._packing.pack(Raised(StoppedError("the run was stopped")))
        except Exception as error:  # Raised again in the worker, where it is an error of the item.
            return self._packing.pack(Raised.of(error))

    def _answer(self, question: object) -> object:
        if self._stopped:
            raise StoppedError("the run was stopped")
        match question:
            case Load(path, kind):
                with self._one_by_one:
                    return self._state.load(path, kind)
            case Affected():
                with self._one_by_one:
                    return self._affected_suites(question)
            case Selected():
                with self._one_by_one:
                    return self._select(question)
            case ResultOf(key):
                return self._state.future_of(key).result()
            case Judge(suite):
                return self._judge(self._state.suites[suite])
            case Ask():
                return self._ask(question)
            case Record(suite, result):
                self._state.record(suite, result)
            case Help(worker, verdict, seconds):
                if verdict is not None:
                    self.crew.done(worker, verdict.error if isinstance(verdict, Raised) else verdict, seconds)
                return self.crew.next_for(worker)
        return None

    def _affected_suites(self, question: Affected) -> frozenset[SuiteKey]:
        """Every worker asks the same, and is told the same; what is wrong is a problem of the session, told once."""
        self._know(question.python)
        if self._affected is None:
            try:
                self._affected = self._state.affected(question.base)
            except pytest.UsageError as error:
                self._state.problems.append(MetapromptError(str(error)))
                self._affected = frozenset(self._state.suites)
        return self._affected

    def _select(self, selected: Selected) -> bool:
        """Every worker tells the same; what is known already changes nothing."""
        state = self._state
        self._know(selected.suites)
        known = {str(problem) for problem in state.problems}
        problems = [*map(MetapromptError, selected.problems), *_out_of_date(selected.suites)]
        state.problems.extend(problem for problem in problems if str(problem) not in known)
        state.notes.extend(note for note in selected.notes if note not in state.notes)
        state.all_unchanged = selected.unchanged
        open_baseline_of(state)
        if not state.tracked:
            state.select(selected.tracked)
            # While workers are still getting ready; with -x not before pytest comes to the first case.
            if not state.problems and state.max_failures is None:
                state.begin()
        return not state.problems

    def _know(self, python: tuple[LoadedSuite, ...]) -> None:
        for loaded in python:
            self._state.suites.setdefault(loaded.suite.key, loaded)

    def _judge(self, loaded: LoadedSuite) -> GateResult | str:
        for one in self._state.tracked:
            if one.suite == loaded.suite.key and one.key is not None:
                self._state.future_of(one.key).result()
        with self._one_by_one:
            return self._state.judge(loaded, runs=self._state.runs())

    def _ask(self, ask: Ask) -> Reply:
        suite = self._state.suites[ask.suite].suite

        async def reply() -> Reply:
            async with self._room:
                return await self._models.client(suite, ask.model, role=ask.role, embeds=ask.embeds).ask(ask.request)

        return self._state.thread.submit(reply()).result()


def _out_of_date(suites: tuple[LoadedSuite, ...]) -> list[MetapromptError]:
    """The routines of Python tests that a worker has otherwise than they are here: its tests would ask its own."""
    found = []
    for loaded in suites:
        home = loaded.routine.home
        with suppress(FileAccessError):  # Only the worker has it.
            if home is not None and read_text(home.source.path).digest != home.source.digest:
                message = f"{loaded.routine.name}: a worker of {loaded.name} has another text of it"
                hint = "copy the project to the workers' hosts again"
                found.append(MetapromptError(message, hint=hint))
    return found
