"""Transforms: the user's code that changes the output before it is judged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from pytest_metaprompt.errors import FileAccessError, MetapromptError, Place, ScorerError, SkippedError
from pytest_metaprompt.files import read_text
from pytest_metaprompt.protocols import Scorer
from pytest_metaprompt.results import Attempt, Verdict
from pytest_metaprompt.scorers.code import Code, CodeError, CodeSource, run_code
from pytest_metaprompt.scorers.javascript_code import open_javascript_code
from pytest_metaprompt.scorers.json_values import NotJsonError, as_json
from pytest_metaprompt.scorers.outputs import output_of, transform_context, with_output
from pytest_metaprompt.scorers.python_code import is_python_file, open_python_code
from pytest_metaprompt.scorers.value_files import names_file
from pytest_metaprompt.scorers.verdicts import reply_of
from pytest_metaprompt.suites import Assertion, Dialect


@dataclass(frozen=True, slots=True)
class Transform:
    """A transform that can be applied to attempts; `dialect` decides what its code is told."""

    code: Code
    dialect: Dialect
    where: Place | None


@dataclass(frozen=True, slots=True)
class Transformed:
    """A scorer that judges the output as a transform leaves it."""

    inner: Scorer
    transform: Transform

    async def score(self, attempt: Attempt) -> Verdict:
        """The inner verdict on the transformed reply; what the inner scorer raises passes through."""
        return await self.inner.score(await apply_transform(self.transform, attempt))


def open_transform(text: str, *, dialect: Dialect, base: Path, where: Place | None = None) -> Transform:
    """The transform that a text stands for: one line is an expression, several are the body of a function.

    It is Python in the native dialect, and JavaScript in promptfoo's.
    `file://x.py` and `file://x.js` name a file, relative to `base`, and its ending the language; `:name` picks a
    function, by default `get_transform` in Python and what the file exports in JavaScript.

    Raises:
        MetapromptError: The code cannot be compiled or loaded.
        SkippedError: It is JavaScript, and there is no engine on this machine that can run it.
    """

    def read(path: Path) -> str:
        try:
            return read_text(path).text
        except FileAccessError as error:
            raise FileAccessError(f"transform: {error.message}", where=where) from None

    if not text.strip():
        raise MetapromptError("transform is empty", where=where, hint="one line is an expression, such as  output[0]")
    source = CodeSource(text, base, "get_transform", read, where)
    try:
        code = open_python_code(source) if _is_python(text, dialect) else open_javascript_code(source)
    except CodeError as error:
        raise MetapromptError(f"transform: {error}", where=where) from error.__cause__
    except SkippedError as error:
        raise SkippedError(f"transform: {error.message}", where=where, hint=error.hint) from None
    return Transform(code, dialect, where)


async def apply_transform(transform: Transform, attempt: Attempt) -> Attempt:
    """The attempt with the output that the transform makes of its reply's; the rest of the reply stays.

    Raises:
        ScorerError: The code broke, or returned nothing, or what JSON cannot hold.
    """
    reply, dialect = reply_of(attempt), transform.dialect
    output, context = output_of(reply, dialect=dialect), transform_context(attempt, dialect=dialect)
    result = await run_code(transform.code, output, context, what="transform", where=transform.where)
    if result is None:
        raise ScorerError("transform: the code returned nothing", where=transform.where)
    try:
        return replace(attempt, reply=with_output(reply, as_json(result)))
    except NotJsonError as error:
        raise ScorerError(f"transform: the code returned {error}", where=transform.where) from None


def with_transform(scorer: Scorer, assertion: Assertion, *, base: Path) -> Scorer:
    """The scorer behind the assertion's own transform, if it has one."""
    if assertion.transform is None:
        return scorer
    transform = open_transform(assertion.transform, dialect=assertion.dialect, base=base, where=assertion.where)
    return Transformed(scorer, transform)


def _is_python(text: str, dialect: Dialect) -> bool:
    if names_file(text):
        return is_python_file(text)
    return dialect == "native"
