"""`python` and `javascript`: the user's own check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_metaprompt.errors import ScorerError, SkippedError
from pytest_metaprompt.protocols import Scorer
from pytest_metaprompt.results import Attempt, Verdict
from pytest_metaprompt.scorers.code import Code, CodeError, CodeSource, run_code
from pytest_metaprompt.scorers.code_result import ResultError, read_result
from pytest_metaprompt.scorers.javascript_code import open_javascript_code
from pytest_metaprompt.scorers.outputs import context_of, output_of
from pytest_metaprompt.scorers.python_code import open_python_code
from pytest_metaprompt.scorers.value_files import read_value_file
from pytest_metaprompt.scorers.values import problem
from pytest_metaprompt.scorers.verdicts import reply_of
from pytest_metaprompt.suites import Assertion


@dataclass(frozen=True, slots=True)
class CustomCheck:
    """Holds if the user's code says so."""

    assertion: Assertion
    code: Code

    async def score(self, attempt: Attempt) -> Verdict:
        """Runs the user's code in a thread of its own.

        Raises:
            ScorerError: The code broke, or its result is not a judgement.
        """
        wanted = self.assertion
        output = output_of(reply_of(attempt), dialect=wanted.dialect)
        context = context_of(attempt, dialect=wanted.dialect, config=wanted.settings.get("config"))
        result = await run_code(self.code, output, context, what=wanted.type, where=wanted.where)
        try:
            return self._read(result)
        except ResultError as error:
            raise ScorerError(f"{wanted.type}: {error}", where=wanted.where) from None

    def _read(self, result: object) -> Verdict:
        threshold, label = self.assertion.threshold, self.code.label
        if self.assertion.dialect == "native":
            return read_result(result, threshold=threshold, label=label)
        if isinstance(result, str) and result.lower() in ("true", "false"):
            result = result.lower() == "true"
        verdict = read_result(result, threshold=threshold, label=label, bounded=False)
        if isinstance(result, bool) and self.assertion.negated:
            # promptfoo keeps scores under `not-`, but not those that a mere truth value stands for.
            return replace(verdict, score=1.0 - verdict.score)
        return verdict


def open_python(assertion: Assertion) -> Scorer:
    """The scorer of a `python`; a file is executed here, once, to find the function.

    Raises:
        MetapromptError: The code cannot be compiled, the file cannot be loaded, or the function is not in it.
    """
    return _open(assertion, open_python_code, "value must be Python code", "len(output) < 80")


def open_javascript(assertion: Assertion) -> Scorer:
    """The scorer of a `javascript`.

    Raises:
        MetapromptError: There is no code, or its file cannot be read.
        SkippedError: There is no engine on this machine that can run it.
    """
    return _open(assertion, open_javascript_code, "value must be JavaScript code", "output.length < 80")


def _open(assertion: Assertion, opened: Callable[[CodeSource], Code], missing: str, example: str) -> CustomCheck:
    value = assertion.value
    if not isinstance(value, str) or not value.strip():
        raise problem(assertion, missing, hint=f"one line is an expression, such as  {example}")
    if assertion.threshold is not None and not abs(assertion.threshold) < float("inf"):
        raise problem(assertion, f"threshold must be a finite number, not {assertion.threshold}")
    source = CodeSource(value, Path(), "get_assert", lambda path: read_value_file(assertion, path), assertion.where)
    try:
        return CustomCheck(assertion, opened(source))
    except CodeError as error:
        raise problem(assertion, str(error)) from error.__cause__
    except SkippedError as error:
        raise SkippedError(f"{assertion.type}: {error.message}", where=assertion.where, hint=error.hint) from None
