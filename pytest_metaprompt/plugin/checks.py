"""The user's own checks, as they go to the workers of pytest-xdist. Light: a worker needs it first of all."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_metaprompt.results import Attempt
from pytest_metaprompt.suites import Assertion, SuiteKey


@dataclass(frozen=True, slots=True)
class Check:
    """An assertion that is to judge an attempt, by its place in the attempt's case."""

    suite: SuiteKey
    at: int
    attempt: Attempt


def runs_python(assertion: Assertion) -> bool:
    """Whether the user's own Python judges, which may take long."""
    return any(part.kind == "python" for part in assertion.parts)
