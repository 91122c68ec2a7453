"""Reads one thing after the other and reports everything that is wrong together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from pytest_metaprompt.errors import MetapromptError, SuiteFileError

Item = TypeVar("Item")
Found = TypeVar("Found")


def gathered(items: Iterable[Item], read: Callable[[Item], Iterable[Found]]) -> tuple[Found, ...]:
    """What is read from each item, in order.

    Raises:
        SuiteFileError: With the first problem of every item that has one.
    """
    found: list[Found] = []
    problems: list[MetapromptError] = []
    for item in items:
        try:
            found += read(item)
        except SuiteFileError as error:
            problems += error.problems
        except MetapromptError as error:
            problems.append(error)
    if problems:
        raise SuiteFileError(problems)
    return tuple(found)
