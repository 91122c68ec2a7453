"""What a worker of pytest-xdist asks the controller, one small message each."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pytest_metaprompt.plugin.case_results import CaseKey
from pytest_metaprompt.plugin.checks import Check
from pytest_metaprompt.plugin.kinds import Kind
from pytest_metaprompt.plugin.session import LoadedSuite, Tracked
from pytest_metaprompt.results import CaseResult, GateResult, Reply, Request, Verdict
from pytest_metaprompt.suites import ModelSpec, SuiteKey

Value = TypeVar("Value")


class Question(Generic[Value]):
    """Whatever can be asked; the type says what the answer is."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Load(Question[tuple[LoadedSuite, ...]]):
    """The suites in a file; none if it cannot be used."""

    path: Path
    kind: Kind


@dataclass(frozen=True, slots=True)
class Affected(Question[frozenset[SuiteKey]]):
    """Which suites have changes against a revision; `python` are those made of Python tests."""

    base: str
    python: tuple[LoadedSuite, ...]


@dataclass(frozen=True, slots=True)
class Selected(Question[bool]):
    """What is to be run, with the suites made of Python tests; the answer says whether it may be run.

    `unchanged` says that `--metaprompt-changed` left nothing to run.
    """

    tracked: tuple[Tracked, ...]
    suites: tuple[LoadedSuite, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    unchanged: bool


@dataclass(frozen=True, slots=True)
class ResultOf(Question[CaseResult]):
    """The result of a case of a suite file."""

    key: CaseKey


@dataclass(frozen=True, slots=True)
class Judge(Question[GateResult | str]):
    """What a suite's gate says, or why it cannot be judged."""

    suite: SuiteKey


@dataclass(frozen=True, slots=True)
class Ask(Question[Reply]):
    """The reply of a model to a Python test."""

    suite: SuiteKey
    model: ModelSpec
    request: Request
    role: str
    embeds: bool


@dataclass(frozen=True, slots=True)
class Record(Question[None]):
    """Not to be answered: the result of a Python test."""

    suite: SuiteKey
    result: CaseResult


@dataclass(frozen=True, slots=True)
class Raised:
    """In place of an answer: what went wrong with it."""

    error: Exception

    @classmethod
    def of(cls, error: Exception) -> Raised:
        """The error; one of the user's code that cannot be sent goes by its words."""
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:  # What an exception of the user does when it is copied is not known.
            return cls(RuntimeError(f"{type(error).__name__}: {error}"))
        return cls(error)


@dataclass(frozen=True, slots=True)
class Help(Question[Check | None]):
    """The next of the user's own checks that is to be run, as soon as there is one; None in the end.

    `verdict` is what the last one that this worker was given came to, after so many `seconds`.
    """

    worker: str
    verdict: Verdict | Raised | None = None
    seconds: float = 0.0
