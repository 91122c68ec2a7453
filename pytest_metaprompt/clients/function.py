"""`python:`, the user's own app or agent: any callable, sync or async."""

from __future__ import annotations

import asyncio
import contextvars
import importlib
import inspect
import sys
import threading
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from importlib.machinery import PathFinder
from pathlib import Path

from pytest_metaprompt.clients.calls import one_line, sent_messages, sent_params, time_limit
from pytest_metaprompt.clients.completions import read_completion, read_tool_calls, read_usage
from pytest_metaprompt.errors import ModelCallError, SetupError, did_you_mean
from pytest_metaprompt.python_files import UserFunction
from pytest_metaprompt.results import Reply, Request
from pytest_metaprompt.suites import ModelSpec


class FunctionClient:
    """Asks a callable of the user: `answer(messages)`, with `params=` and `routine=` if it takes them.

    `params` holds the request's parameters, `routine` the text of its system messages, for an agent that builds its
    own messages.

    It may return a text, `{"text": ..., "tool_calls": [...], "usage": {...}}`, or a chat completion as the OpenAI SDK
    gives it. What it raises becomes a `ModelCallError` with its place.
    """

    def __init__(self, spec: ModelSpec, *, root: Path) -> None:
        """A client for `module:callable`; the module is imported, with `root` first on `sys.path`.

        Raises:
            SetupError: There is no such module or callable, or the import fails.
        """
        module, _, name = spec.name.partition(":")
        self._root = root.resolve()
        self._function = _load(spec, module, name, self._root)
        self._takes_params = _takes(self._function, "params", any_name=True)
        self._takes_routine = _takes(self._function, "routine", any_name=False)

    async def ask(self, request: Request) -> Reply:
        """What the callable returned, as a reply.

        Raises:
            ModelCallError: The callable raised, returned what is no reply, or took longer than `timeout_s`.
            SetupError: `timeout_s` is no number of seconds.
        """
        limit = time_limit(request, default=None)
        began = time.perf_counter()
        try:
            async with asyncio.timeout(limit) as clock:
                returned = await self._call(request)
            return replace(_read(returned), latency_s=time.perf_counter() - began)
        except ModelCallError as error:
            raise ModelCallError(f"{request.model}: {one_line(error.message)}{_place(error, self._root)}") from None
        except (Exception, SystemExit) as error:  # the fence around the user's code
            if isinstance(error, TimeoutError) and clock.expired():
                raise ModelCallError(f"{request.model}: timed out after {limit:g} s") from None
            said = one_line(f"raised {type(error).__name__}: {error}")
            raise ModelCallError(f"{request.model} {said}{_place(error, self._root)}") from error

    async def _call(self, request: Request) -> object:
        messages = sent_messages(request)
        more: dict[str, object] = {"params": sent_params(request)} if self._takes_params else {}
        if self._takes_routine:
            more["routine"] = "\n\n".join(one.content for one in request.messages if one.role == "system")
        if _is_async(self._function):
            returned = self._function(messages, **more)
        else:
            returned = await _in_thread(lambda: self._function(messages, **more))
        return await returned if isinstance(returned, Awaitable) else returned


def _load(spec: ModelSpec, module_name: str, name: str, root: Path) -> UserFunction:
    if str(root) not in sys.path:
        # It stays there, as pytest leaves a test's folder: the user's code may import more when it is called.
        sys.path.insert(0, str(root))
    _refuse_namesake(spec, module_name.partition(".")[0], root)
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # the fence around the user's code
        said = one_line(f"{type(error).__name__}: {error}")
        hint = f"looked in {root}, then along sys.path"
        raise SetupError(f"{spec}: cannot import {module_name!r}: {said}{_place(error, root)}", hint=hint) from error
    known = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
    function = getattr(module, name, None)
    if function is None:
        hint = did_you_mean(name, known)
        raise SetupError(f"{spec}: {module_name!r} in {module.__file__} has no {name!r}", hint=hint)
    if not callable(function):
        raise SetupError(f"{spec}: {name!r} in {module.__file__} is not callable, but {type(function).__name__}")
    checked: UserFunction = function
    return checked


def _refuse_namesake(spec: ModelSpec, package: str, root: Path) -> None:
    """Refuses to test another module of the same name that happens to be loaded already."""
    here = PathFinder.find_spec(package, [str(root)])
    loaded = getattr(sys.modules.get(package), "__file__", None)
    if here is not None and here.origin and loaded and Path(loaded).resolve() != Path(here.origin).resolve():
        raise SetupError(f"{spec}: another module {package!r} is already loaded, from {loaded}", hint="rename one")


def _takes(function: UserFunction, name: str, *, any_name: bool) -> bool:
    """Whether the function has a parameter of this name, or, with `any_name`, takes any."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # written in C
        return False
    named = any(one.name == name and one.kind is not one.POSITIONAL_ONLY for one in parameters)
    return named or (any_name and any(one.kind is one.VAR_KEYWORD for one in parameters))


def _is_async(function: UserFunction) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


async def _in_thread(call: Callable[[], object]) -> object:
    """The call's result, from a thread of its own that keeps nobody from leaving when it hangs."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[tuple[object, BaseException | None]] = loop.create_future()
    context = contextvars.copy_context()

    def deliver(result: object, error: BaseException | None) -> None:
        if not done.done():
            done.set_result((result, error))

    def work() -> None:
        result: object = None
        failure: BaseException | None = None
        try:
            result = context.run(call)
        except BaseException as error:  # Raised again where the call is awaited.
            failure = error
        with suppress(RuntimeError):  # The loop was closed meanwhile: nobody waits any more.
            loop.call_soon_threadsafe(deliver, result, failure)

    threading.Thread(target=work, name="metaprompt-function", daemon=True).start()
    result, error = await done
    if error is not None:
        raise error
    return result


def _read(returned: object) -> Reply:
    dump = getattr(returned, "model_dump", None)  # a completion as the OpenAI SDK gives it
    answer = dump() if callable(dump) else returned
    if isinstance(answer, str):
        return Reply(answer)
    if isinstance(answer, Mapping) and "choices" in answer:
        return read_completion(answer, latency_s=0.0)
    if isinstance(answer, Mapping):
        return _read_mapping(answer)
    raise ModelCallError(f"returned {type(answer).__name__}, not a text or a dict")


def _read_mapping(answer: Mapping[object, object]) -> Reply:
    if not answer.keys() & {"text", "content", "tool_calls"}:
        raise ModelCallError(f"returned a dict without text, content or tool_calls: {sorted(map(str, answer))}")
    text = answer.get("text", answer.get("content"))
    if not isinstance(text, str | None):
        raise ModelCallError(f"returned a text that is {type(text).__name__}, not str")
    reason = answer.get("finish_reason")
    return Reply(
        text or "",
        tool_calls=read_tool_calls(answer.get("tool_calls")),
        finish_reason=reason if isinstance(reason, str) else None,
        usage=read_usage(answer.get("usage")),
    )


def _place(error: BaseException, root: Path) -> str:
    """Where the user's code failed, as ` (file:line)`: the innermost line below `root`, or else the innermost line."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_machinery(frame.filename)]
    below = [frame for frame in frames if _is_users(Path(frame.filename), root)]
    chosen = (below or frames)[-1:]
    return "".join(f" ({frame.filename}:{frame.lineno})" for frame in chosen)


def _is_users(path: Path, root: Path) -> bool:
    return path.is_relative_to(root) and "site-packages" not in path.parts


def _is_machinery(file_name: str) -> bool:
    return file_name.startswith(("<frozen", str(_OURS))) or file_name == importlib.__file__


_OURS = Path(__file__).parents[1]
