"""Functions in the user's Python files, loaded once and anew when the file was edited."""

from __future__ import annotations

import asyncio
import inspect
import re
import sys
import traceback
from collections.abc import Awaitable, Callable
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from pytest_metaprompt.errors import MetapromptError
from pytest_metaprompt.files import read_text

UserFunction = Callable[..., object]

_REFERENCE = re.compile(r"(?P<path>.+\.py)(?::(?P<name>\w+))?")


class UserCodeError(MetapromptError):
    """The user's code cannot be loaded, or raised an exception."""


def split_reference(reference: str, *, default: str) -> tuple[str, str] | None:
    """The path and the function's name in `path.py` or `path.py:name`; None if it names no Python file."""
    match = _REFERENCE.fullmatch(reference)
    return (match["path"], match["name"] or default) if match else None


def call_function(path: Path, name: str, *arguments: object) -> object:
    """What the function in the file returns, awaited if it is async.

    Raises:
        UserCodeError: There is no such function, or it raised.
        FileAccessError: The file cannot be read.
    """
    function = _function(path, name)
    try:
        result = function(*arguments)
        return asyncio.run(_awaited(result)) if inspect.isawaitable(result) else result
    except BaseException as error:  # sys.exit in the user's code must not end the whole run
        if isinstance(error, KeyboardInterrupt):
            raise
        raise UserCodeError(f"{path.name}:{name} raised {_describe(error, path)}") from error


def _function(path: Path, name: str) -> UserFunction:
    module = _load(path, read_text(path).text)
    function = getattr(module, name, None)
    if not callable(function):
        raise UserCodeError(f"{path} has no function {name!r}", hint=f"write  def {name}(...): ...")
    checked: UserFunction = function
    return checked


@lru_cache(maxsize=256)
def _load(path: Path, text: str) -> ModuleType:
    module = ModuleType(f"metaprompt_{path.stem}_{abs(hash((path, text)))}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses look their module up there
    folder = str(path.parent.absolute())
    sys.path.insert(0, folder)
    try:
        exec(compile(text, str(path), "exec", dont_inherit=True), module.__dict__)
    except (Exception, SystemExit) as error:
        del sys.modules[module.__name__]
        raise UserCodeError(f"{path} cannot be loaded: {_describe(error, path)}") from error
    finally:
        sys.path.remove(folder)
    return module


async def _awaited(result: Awaitable[object]) -> object:
    return await result


def _describe(error: BaseException, path: Path) -> str:
    """The exception by name, with the last line of the file that it went through."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"{text}, in line {lines[-1]}" if lines else text
