"""`value: file://x.py:name` of an assertion that is no code itself: the file's function computes the value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_metaprompt.errors import MetapromptError, ScorerError, SkippedError
from pytest_metaprompt.files import FILE_PREFIX
from pytest_metaprompt.protocols import Scorer
from pytest_metaprompt.results import Attempt, Verdict
from pytest_metaprompt.scorers.code import Code, CodeError, CodeSource, run_code
from pytest_metaprompt.scorers.javascript_code import is_javascript_file, open_javascript_code
from pytest_metaprompt.scorers.json_values import NotJsonError, as_json
from pytest_metaprompt.scorers.outputs import context_of, output_of
from pytest_metaprompt.scorers.python_code import is_python_file, open_python_code
from pytest_metaprompt.scorers.value_files import CODE, names_file, read_value_file
from pytest_metaprompt.scorers.values import problem
from pytest_metaprompt.scorers.verdicts import reply_of
from pytest_metaprompt.suites import Assertion

_DEFAULT_NAME = "get_value"


@dataclass(frozen=True, slots=True)
class ComputedValue:
    """Judges with a value that the user's code computes anew for each attempt."""

    assertion: Assertion
    code: Code
    opened: Callable[[Assertion], Scorer]

    async def score(self, attempt: Attempt) -> Verdict:
        """Computes the value, and judges with it.

        Raises:
            ScorerError: The code broke, or its value is not what the assertion needs.
        """
        wanted = self.assertion
        output = output_of(reply_of(attempt), dialect=wanted.dialect)
        context = context_of(attempt, dialect=wanted.dialect)
        value = await run_code(self.code, output, context, what=wanted.type, where=wanted.where)
        try:
            scorer = self.opened(replace(wanted, value=as_json(value)))
        except NotJsonError as error:
            raise ScorerError(f"{wanted.type}: the computed value: {error}", where=wanted.where) from None
        except MetapromptError as error:
            raise ScorerError(error.message, where=wanted.where, hint=error.hint) from None
        return await scorer.score(attempt)


def names_code(assertion: Assertion) -> bool:
    """Whether the assertion's value is to be computed by a file of code."""
    value = assertion.value
    if assertion.kind in CODE or not isinstance(value, str) or not names_file(value):
        return False
    return is_python_file(value) or is_javascript_file(value)


def open_computed(assertion: Assertion, opened: Callable[[Assertion], Scorer], *, base: Path) -> ComputedValue:
    """The scorer of an assertion whose value a file computes; `opened` opens the assertion with its real value.

    Raises:
        MetapromptError: The file cannot be loaded, or the function is not in it.
        SkippedError: It is JavaScript, and there is no engine on this machine that can run it.
    """
    text = str(assertion.value)
    source = CodeSource(text, base, _DEFAULT_NAME, lambda path: read_value_file(assertion, path), assertion.where)
    try:
        code = open_python_code(source) if is_python_file(text) else open_javascript_code(source)
    except CodeError as error:
        raise problem(assertion, f"{text.removeprefix(FILE_PREFIX)}: {error}") from error.__cause__
    except SkippedError as error:
        raise SkippedError(f"{assertion.type}: {error.message}", where=assertion.where, hint=error.hint) from None
    return ComputedValue(assertion, code, opened)
