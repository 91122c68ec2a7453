"""A session in a worker of pytest-xdist: it runs the items, and asks the controller for what they are judged by."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Client as connect  # noqa: N813  # it is a function
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from pytest_metaprompt.plugin.keys import DESK
from pytest_metaprompt.plugin.kinds import Kind
from pytest_metaprompt.plugin.models import Models
from pytest_metaprompt.plugin.options import Options
from pytest_metaprompt.plugin.questions import (
    Ask,
    Judge,
    Load,
    Question,
    Raised,
    Record,
    ResultOf,
    Selected,
    Value,
)
from pytest_metaprompt.plugin.session import CaseKey, LoadedSuite, PromptSession, StoppedError
from pytest_metaprompt.protocols import Client
from pytest_metaprompt.results import CaseResult, GateResult, Reply, Request
from pytest_metaprompt.suites import ModelSpec, Suite, SuiteKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_metaprompt.plugin.session import Tracked


class Wires:
    """Asks the desk, over one connection for each thread that does."""

    def __init__(self, host: str, port: int, key: bytes) -> None:
        self._address = (host, port)
        self._key = key
        self._own = threading.local()

    def ask(self, question: Question[Value]) -> Value:
        """The answer, waiting for it.

        Raises:
            StoppedError: The session ended before there was one.
            Exception: Whatever went wrong in the controller.
        """
        try:
            wire = self._wire()
            wire.send(question)
            answer = wire.recv()
        except (EOFError, OSError) as error:
            raise StoppedError("the controller of the run is gone") from error
        if isinstance(answer, Raised):
            raise answer.error
        return cast("Value", answer)  # The desk answers each question with what its type says.

    def _wire(self) -> Connection:
        if not hasattr(self._own, "wire"):
            self._own.wire = connect(self._address, authkey=self._key)
        wire: Connection = self._own.wire
        return wire


class WorkerSession(PromptSession):
    """What a worker knows of the session; the rest is asked for."""

    def __init__(self, config: pytest.Config, options: Options) -> None:
        self._wires = Wires(*config.workerinput[DESK])  # type: ignore[attr-defined]  # pytest-xdist puts it there
        super().__init__(config, options)

    def open_models(self) -> Models:
        """Models that are asked by the controller."""
        return _Distant(self._wires, self.options, root=self.root)

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


class _Distant(Models):
    """The models of the controller."""

    def __init__(self, wires: Wires, options: Options, *, root: Path) -> None:
        super().__init__(options, root=root)
        self._wires = wires
        self._pool = ThreadPoolExecutor(options.concurrency, thread_name_prefix="metaprompt-wire")

    def client(self, suite: Suite, spec: ModelSpec, *, role: str, embeds: bool = False) -> Client:
        return _DistantClient(self._wires, self._pool, suite.key, spec, role, embeds=embeds)


class _DistantClient:
    """A model that the controller asks."""

    def __init__(
        self, wires: Wires, pool: ThreadPoolExecutor, suite: SuiteKey, spec: ModelSpec, role: str, *, embeds: bool
    ) -> None:
        self._wires = wires
        self._pool = pool
        self._suite = suite
        self._spec = spec
        self._role = role
        self._embeds = embeds

    async def ask(self, request: Request) -> Reply:
        """The model's reply."""
        question = Ask(self._suite, self._spec, request, self._role, self._embeds)
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._wires.ask, question)
