"""`exec:`, a program of the user's that is given the prompt and prints the reply."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from pathlib import Path

from pytest_metaprompt.clients.calls import one_line, sent_params
from pytest_metaprompt.errors import ModelCallError
from pytest_metaprompt.programs import run_program
from pytest_metaprompt.python_files import UserCodeError
from pytest_metaprompt.results import Reply, Request
from pytest_metaprompt.suites import ModelSpec


class ProgramClient:
    """Runs a command with three arguments more: the prompt, the options and the context, the last two in JSON."""

    def __init__(self, spec: ModelSpec, *, root: Path) -> None:
        config = spec.params.get("config")
        base = config.get("basePath") if isinstance(config, Mapping) else None
        self._folder = Path(base) if isinstance(base, str) else root
        env = spec.params.get("env")
        self._env = {name: str(value) for name, value in env.items()} if isinstance(env, Mapping) else {}
        self._command = spec.name

    async def ask(self, request: Request) -> Reply:
        """What the program printed, without the space around it.

        Raises:
            ModelCallError: It cannot be run, or failed.
        """
        params = sent_params(request)
        options, context = {"config": params.get("config")}, params.get("context")
        arguments = [request.messages[-1].content, json.dumps(options), json.dumps(context)]
        began = time.perf_counter()
        try:
            printed = await asyncio.to_thread(run_program, self._command, arguments, folder=self._folder, env=self._env)
        except UserCodeError as error:
            raise ModelCallError(one_line(str(error))) from None
        return Reply(printed.strip(), latency_s=time.perf_counter() - began)
