"""Python providers of promptfoo: `call_api(prompt, options, context)` in a file of the user's."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from pathlib import Path

from pytest_metaprompt.clients.calls import one_line, sent_params
from pytest_metaprompt.clients.completions import error_text
from pytest_metaprompt.errors import FileAccessError, ModelCallError
from pytest_metaprompt.python_files import UserCodeError, call_function
from pytest_metaprompt.results import Reply, Request, Usage
from pytest_metaprompt.suites import Json, ModelSpec


class PromptfooPythonClient:
    """Asks a function of the user's for `{"output": ...}`, in a thread of its own."""

    def __init__(self, spec: ModelSpec) -> None:
        path, _, self._name = spec.name.rpartition(":")
        self._path = Path(path)

    async def ask(self, request: Request) -> Reply:
        """What the function returned.

        Raises:
            ModelCallError: It raised, reported an error, or returned what is no reply.
        """
        params = sent_params(request)
        options = {"id": params.get("id"), "config": params.get("config")}
        arguments = (request.messages[-1].content, options, params.get("context"))
        began = time.perf_counter()
        try:
            returned = await asyncio.to_thread(call_function, self._path, self._name, *arguments)
        except (UserCodeError, FileAccessError) as error:
            raise ModelCallError(one_line(str(error))) from None
        return _read(returned, f"{self._path.name}:{self._name}", time.perf_counter() - began)


def _read(returned: object, label: str, latency_s: float) -> Reply:
    if not isinstance(returned, Mapping):
        raise ModelCallError(f'{label} returned {type(returned).__name__}, not {{"output": ...}}')
    if returned.get("error"):
        raise ModelCallError(f"{label}: {one_line(error_text(returned['error']))}")
    output = _plain(returned.get("output"), label)
    if output is None:
        raise ModelCallError(f"{label} returned no output")
    cost = returned.get("cost")
    return Reply(
        output if isinstance(output, str) else json.dumps(output, ensure_ascii=False, separators=(",", ":")),
        usage=_usage(returned.get("tokenUsage")),
        latency_s=latency_s,
        cost_usd=float(cost) if isinstance(cost, int | float) else None,
        output=None if isinstance(output, str) else output,
    )


def _plain(output: object, label: str) -> Json:
    try:
        value: Json = json.loads(json.dumps(output))
    except (TypeError, ValueError) as error:
        raise ModelCallError(f"{label} returned an output that JSON cannot hold: {error}") from None
    return value


def _usage(usage: object) -> Usage:
    counts = usage if isinstance(usage, Mapping) else {}
    prompt, completion = counts.get("prompt"), counts.get("completion")
    return Usage(prompt if isinstance(prompt, int) else 0, completion if isinstance(completion, int) else 0)
