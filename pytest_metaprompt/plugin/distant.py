"""The models of the controller of pytest-xdist, as a worker's Python tests ask them."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pytest_metaprompt.plugin.models import Models
from pytest_metaprompt.plugin.options import Options
from pytest_metaprompt.plugin.questions import Ask
from pytest_metaprompt.plugin.wires import Wires
from pytest_metaprompt.protocols import Client
from pytest_metaprompt.results import Reply, Request
from pytest_metaprompt.suites import ModelSpec, Suite, SuiteKey


class DistantModels(Models):
    """The models of the controller."""

    def __init__(self, wires: Wires, options: Options, *, root: Path) -> None:
        super().__init__(options, root=root)
        self._wires = wires
        self._pool = ThreadPoolExecutor(options.concurrency, thread_name_prefix="metaprompt-wire")

    @property
    def tracing(self) -> None:
        """No spans are made here: the controller traces what it asks."""

    def client(
        self, suite: Suite, spec: ModelSpec, *, role: str, embeds: bool = False, batched: bool = False
    ) -> Client:
        """The model, asked by the controller."""
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
