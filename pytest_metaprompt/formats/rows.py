"""A row of a data set, whatever kind of file it stands in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from pytest_metaprompt.errors import MetapromptError, SuiteFileError
from pytest_metaprompt.suites import Json

_MOST_TOLD = 20


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the value of each column or key, and the line it starts on."""

    cells: Mapping[str, Json]
    line: int


def raise_if_any(problems: Iterable[MetapromptError]) -> None:
    """Returns if there is no problem.

    Raises:
        SuiteFileError: There are some; the first 20 are told, because a file of the wrong kind is wrong in every line.
    """
    if told := list(islice(problems, _MOST_TOLD)):
        raise SuiteFileError(told)
