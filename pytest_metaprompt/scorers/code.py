"""The user's own code, in whatever language: run it on an output, and nothing it does harms the run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pytest_metaprompt.errors import Place, ScorerError
from pytest_metaprompt.scorers.json_values import Plain
from pytest_metaprompt.scorers.outputs import Context


class CodeError(Exception):
    """The user's code cannot be compiled or loaded, or broke; the message says how and where in it."""


class Code(Protocol):
    """A function of the user's. Raises `CodeError` for anything that goes wrong in it."""

    @property
    def label(self) -> str:
        """What to call it in a reason, so that a result follows: `'len(output)' is`, `x.py:f returned`."""
        ...

    def run(self, output: Plain, context: Context) -> object:
        """What the function returns."""
        ...


@dataclass(frozen=True, slots=True)
class CodeSource:
    """Where code comes from: a text, or a function in a file. `default` is the function's name where none is given.

    `read` gives a file's text, and raises a `MetapromptError` that names the place of the assertion.
    """

    text: str
    base: Path
    default: str
    read: Callable[[Path], str]
    where: Place | None = None


async def run_code(code: Code, output: Plain, context: Context, *, what: str, where: Place | None) -> object:
    """What the code returns, run in a thread of its own. `what` begins the message of an error.

    Raises:
        ScorerError: The code broke.
    """
    try:
        return await asyncio.to_thread(code.run, output, context)
    except CodeError as error:
        raise ScorerError(f"{what}: {error}", where=where) from error
