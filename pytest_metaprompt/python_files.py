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
        return finished(function(*arguments))
    except BaseException as error:  # sys.exit in the user's code must not end the whole run
        if isinstance(error, KeyboardInterrupt):
            raise
        raise UserCodeError(f"{path.name}:{name} raised {describe_error(error, str(path))}") from error


def _function(path: Path, name: str) -> UserFunction:
    module = load_module(path, read_text(path).text)
    function = getattr(module, name, None)
    if not callable(function):
        raise UserCodeError(f"{path} has no function {name!r}", hint=f"write  def {name}(...): ...")
    checked: UserFunction = function
    return checked


@lru_cache(maxsize=256)  # A file is loaded once, however often it is used, and anew if it was edited.
def load_module(path: Path, text: str) -> ModuleType:
    """The module in a file with this text, executed.

    Raises:
        UserCodeError: It cannot be executed.
    """
    module = ModuleType(f"metaprompt_{path.stem}_{abs(hash((path, text)))}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses look their module up there
    folder = str(path.parent.absolute())
    sys.path.insert(0, folder)
    try:
        exec(compile(text, str(path), "exec", dont_inherit=True), module.__dict__)
    except (Exception, SystemExit) as error:
        del sys.modules[module.__name__]
        raise UserCodeError(f"{path} cannot be loaded: {describe_error(error, str(path))}") from error
    finally:
        sys.path.remove(folder)
    return module


def finished(result: object) -> object:
    """What a function returned, awaited if it is async; for code that runs in a thread of its own."""
    return asyncio.run(_awaited(result)) if inspect.isawaitable(result) else result


async def _awaited(result: Awaitable[object]) -> object:
    return await result


def describe_error(error: BaseException, origin: str) -> str:
    """The exception by name, with the last line that it went through of the code compiled as `origin`."""
    if isinstance(error, SyntaxError) and error.filename == origin:
        return syntax_message(error)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == origin]
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"{text}, in line {lines[-1]}" if lines else text


def syntax_message(error: BaseException) -> str:
    """Why code cannot be compiled."""
    if not isinstance(error, SyntaxError):
        return f"the code cannot be compiled: {error}"
    return f"{error.msg}, in line {error.lineno}" if error.lineno else error.msg
