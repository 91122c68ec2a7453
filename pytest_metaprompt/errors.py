"""Everything a user can put right, as one tree of exceptions.

A wrong answer of a model is data (a `Verdict`), and a failed call is data too (`Attempt.error`). What is
raised through the plugin is one of these; anything else is a bug of ours.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in a user's file; lines count from 1."""

    path: str
    line: int | None = None

    def __str__(self) -> str:
        return self.path if self.line is None else f"{self.path}:{self.line}"


class MetapromptError(Exception):
    """Something the user can fix: where it is, what is wrong, and what to do about it."""

    def __init__(self, message: str, *, where: Place | None = None, hint: str | None = None) -> None:
        self.message = message
        self.where = where
        self.hint = hint
        super().__init__(message)

    def __str__(self) -> str:
        text = self.message if self.where is None else f"{self.where}: {self.message}"
        return text if self.hint is None else f"{text} ({self.hint})"


class SuiteFileError(MetapromptError):
    """A suite file cannot be used. Holds every problem of it and of the files it names, each file's by its lines."""

    def __init__(self, problems: Iterable[MetapromptError]) -> None:
        found = list(problems)
        files = list(dict.fromkeys(problem.where.path for problem in found if problem.where))
        self.problems = tuple(sorted(found, key=lambda problem: _position(problem.where, files)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def _position(where: Place | None, files: list[str]) -> tuple[int, int]:
    return (-1, 0) if where is None else (files.index(where.path), where.line or 0)


class RoutineError(MetapromptError):
    """A routine cannot be parsed, rendered or edited."""


class FileAccessError(MetapromptError):
    """A file of the user cannot be read or written."""

    @classmethod
    def reading(cls, path: object, error: OSError) -> FileAccessError:
        """A file that cannot be read, with the system's reason."""
        return cls(f"cannot read {path}: {error.strerror or error}")

    @classmethod
    def writing(cls, path: object, error: OSError) -> FileAccessError:
        """A file that cannot be written, with the system's reason."""
        return cls(f"cannot write {path}: {error.strerror or error}")


class StaleFileError(FileAccessError):
    """The file changed since it was read, so it was not overwritten."""


class SetupError(MetapromptError):
    """A package, a key or a setting that a model needs is missing; the message says what to type."""


class ModelCallError(MetapromptError):
    """A call to a model gave no usable reply (refused, timed out, broken, out of budget). `retries` counts the times
    that it was made again, `status` is that of the HTTP answer, if there was one."""

    def __init__(
        self,
        message: str,
        *,
        where: Place | None = None,
        hint: str | None = None,
        retries: int = 0,
        status: int | None = None,
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.retries = retries
        self.status = status


class CallNotMadeError(ModelCallError):
    """The call was not made: there is no use in it, or no room for it."""


class BudgetExhaustedError(CallNotMadeError):
    """A cap on calls, tokens, dollars or seconds would be exceeded; the call was not made."""


class NotRecordedError(CallNotMadeError):
    """A cassette is replayed, and it does not hold this call; the call was not made."""


class ScorerError(MetapromptError):
    """An assertion could not be checked at all. Not a wrong answer: an error under both signs."""


class SkippedError(MetapromptError):
    """A case cannot be judged on this machine, such as for want of a JavaScript engine: it is skipped, never passed."""


class EnvelopeError(MetapromptError):
    """The meta model's answer is not the envelope that was asked for."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The hint for a word that is not known: the nearest one, if any is near, and all of them."""
    choices = sorted(known)
    near = difflib.get_close_matches(word, choices, n=1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    return f"{guess}known: {', '.join(choices)}"
