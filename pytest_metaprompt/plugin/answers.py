"""What the controller of pytest-xdist answers its workers. It alone asks models, so that caps, cache, cassettes and
counts hold for all workers together."""

from __future__ import annotations

import asyncio
import pickle
from concurrent.futures import CancelledError
from threading import Lock

import pytest

from pytest_metaprompt.errors import MetapromptError
from pytest_metaprompt.plugin.hooks import open_baseline_of
from pytest_metaprompt.plugin.keys import session_of
from pytest_metaprompt.plugin.questions import Ask, Judge, Load, Raised, Record, ResultOf, Selected
from pytest_metaprompt.plugin.session import LoadedSuite, StoppedError
from pytest_metaprompt.results import GateResult, Reply


class Answers:
    """Answers from any thread. `stopped` is set when no more work may begin."""

    def __init__(self, config: pytest.Config) -> None:
        self.stopped = False
        self._state = session_of(config)
        self._state.distributed = True
        self._room = asyncio.Semaphore(self._state.options.concurrency)
        self._one_by_one = Lock()

    def packed(self, question: object) -> bytes:
        """The answer to a question, or what went wrong with it, as bytes."""
        try:
            return pickle.dumps(self._answer(question))
        except CancelledError:
            return pickle.dumps(Raised(StoppedError("the run was stopped")))
        except Exception as error:  # Raised again in the worker, where it is an error of the item.
            return _packed(error)

    def _answer(self, question: object) -> object:
        if self.stopped:
            raise StoppedError("the run was stopped")
        match question:
            case Load(path, kind):
                with self._one_by_one:
                    return self._state.load(path, kind)
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
        return None

    def _select(self, selected: Selected) -> bool:
        """Every worker tells the same; what is known already changes nothing."""
        state = self._state
        for loaded in selected.suites:
            state.suites.setdefault(loaded.suite.key, loaded)
        known = {str(problem) for problem in state.problems}
        state.problems.extend(MetapromptError(text) for text in selected.problems if text not in known)
        state.notes.extend(note for note in selected.notes if note not in state.notes)
        state.all_unchanged = selected.unchanged
        open_baseline_of(state)
        if not state.tracked:
            state.select(selected.tracked)
            # While workers are still getting ready; with -x not before pytest comes to the first case.
            if not state.problems and state.max_failures is None:
                state.begin()
        return not state.problems

    def _judge(self, loaded: LoadedSuite) -> GateResult | str:
        for one in self._state.tracked:
            if one.suite == loaded.suite.key and one.key is not None:
                self._state.future_of(one.key).result()
        with self._one_by_one:
            return self._state.judge(loaded, runs=self._state.runs())

    def _ask(self, ask: Ask) -> Reply:
        state = self._state
        client = state.models.client(state.suites[ask.suite].suite, ask.model, role=ask.role, embeds=ask.embeds)

        async def reply() -> Reply:
            async with self._room:
                return await client.ask(ask.request)

        return state.thread.submit(reply()).result()


def _packed(error: Exception) -> bytes:
    """The error as bytes; one of the user's code that cannot be sent goes by its words."""
    try:
        data = pickle.dumps(Raised(error))
        pickle.loads(data)
    except Exception:  # What an exception of the user does when it is copied is not known.
        return pickle.dumps(Raised(RuntimeError(f"{type(error).__name__}: {error}")))
    return data
