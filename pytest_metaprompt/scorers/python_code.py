"""`python`: the user's own check, as an expression, as the body of a function, or as a function in a file."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import re
import sys
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from textwrap import dedent
from types import ModuleType

from pytest_metaprompt.errors import MetapromptError, ScorerError
from pytest_metaprompt.results import Attempt, Verdict
from pytest_metaprompt.scorers.excerpts import excerpt
from pytest_metaprompt.scorers.json_values import Plain, plain
from pytest_metaprompt.scorers.python_result import ResultError, read_result
from pytest_metaprompt.scorers.value_files import PREFIX, names_file, read_value_file
from pytest_metaprompt.scorers.values import problem
from pytest_metaprompt.scorers.verdicts import reply_of
from pytest_metaprompt.suites import Assertion

Context = dict[str, Plain]
UserFunction = Callable[[str, Context], object]

_DEFAULT_NAME = "get_assert"
_FILE = re.compile(r"(?P<path>.+\.py)(?::(?P<name>\w+))?")


@dataclass(frozen=True, slots=True)
class PythonCode:
    """Holds if the user's code says so. `origin` is the file name under which the code was compiled."""

    assertion: Assertion
    function: UserFunction
    label: str
    origin: str

    async def score(self, attempt: Attempt) -> Verdict:
        """Runs the user's code in a thread of its own.

        Raises:
            ScorerError: The code raised an exception, or its result is not a judgement.
        """
        return await asyncio.to_thread(self._judge, reply_of(attempt).text, _context(attempt))

    def _judge(self, output: str, context: Context) -> Verdict:
        try:
            result = _finished(self.function(output, context))
        except BaseException as error:  # sys.exit and pytest.fail in the user's code must not end the whole run.
            message = f"{self.assertion.type}: {_describe(error, self.origin)}"
            raise ScorerError(message, where=self.assertion.where) from error
        try:
            return read_result(result, threshold=self.assertion.threshold, label=self.label)
        except ResultError as error:
            raise ScorerError(f"{self.assertion.type}: {error}", where=self.assertion.where) from None


def open_python(assertion: Assertion) -> PythonCode:
    """The scorer of a `python`; a file is executed here, once, to find the function.

    Raises:
        MetapromptError: The code cannot be compiled, the file cannot be loaded, or the function is not in it.
    """
    value = assertion.value
    if not isinstance(value, str) or not value.strip():
        raise problem(
            assertion, "value must be Python code", hint="one line is an expression, such as  len(output) < 80"
        )
    if assertion.threshold is not None and not abs(assertion.threshold) < float("inf"):
        raise problem(assertion, f"threshold must be a finite number, not {assertion.threshold}")
    return _from_file(assertion, value) if names_file(value) else _from_text(assertion, value)


def _from_text(assertion: Assertion, value: str) -> PythonCode:
    code = dedent(value).rstrip()
    origin = f"<{assertion.where or 'python'}>"
    try:
        function = _compile(code, origin)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise problem(assertion, _syntax_message(error), hint=_syntax_hint(code)) from None
    label = f"{excerpt(code.strip())} is" if _is_expression(code) else "the code returned"
    return PythonCode(assertion, function, label, origin)


def _compile(code: str, origin: str) -> UserFunction:
    module = ast.parse("def get_assert(output, context): pass", origin)
    function = module.body[0]
    assert isinstance(function, ast.FunctionDef)
    function.body = _body(code, origin)
    namespace: dict[str, object] = {"json": json, "re": re, "__name__": "metaprompt_assertion"}
    exec(compile(ast.fix_missing_locations(module), origin, "exec", dont_inherit=True), namespace)
    compiled = namespace[_DEFAULT_NAME]
    assert callable(compiled)
    return compiled


def _body(code: str, origin: str) -> list[ast.stmt]:
    if _is_expression(code):
        expression = ast.parse(code.strip(), origin, "eval").body
        return [ast.copy_location(ast.Return(expression), expression)]
    body = ast.parse(code, origin).body
    if not _returns(body):
        raise SyntaxError("several lines are the body of a function, and this one never returns a value")
    return body


def _returns(body: list[ast.stmt]) -> bool:
    nested = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    waiting: list[ast.AST] = list(body)
    for node in waiting:
        if isinstance(node, ast.Return):
            return True
        if not isinstance(node, nested):
            waiting.extend(ast.iter_child_nodes(node))
    return False


def _from_file(assertion: Assertion, value: str) -> PythonCode:
    match = _FILE.fullmatch(value.removeprefix(PREFIX))
    if match is None:
        raise problem(assertion, f"{value!r} does not name a Python file", hint="write  file://checks.py:function")
    path, name = Path(match["path"]), match["name"] or _DEFAULT_NAME
    text = read_value_file(assertion, path)
    try:
        module = _load(path, text)
    except MetapromptError as error:
        raise problem(assertion, error.message) from error.__cause__
    function = getattr(module, name, None)
    if not callable(function):
        raise problem(assertion, f"{path} has no function {name!r}", hint=f"write  def {name}(output, context): ...")
    return PythonCode(assertion, function, f"{path.name}:{name} returned", str(path))


@lru_cache(maxsize=256)  # A file is loaded once, however many cases use it, and anew if it was edited.
def _load(path: Path, text: str) -> ModuleType:
    module = ModuleType(f"metaprompt_{path.stem}_{abs(hash((path, text)))}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses look their module up there
    folder = str(path.parent.absolute())
    sys.path.insert(0, folder)
    try:
        exec(compile(text, str(path), "exec", dont_inherit=True), module.__dict__)
    except (Exception, SystemExit) as error:
        del sys.modules[module.__name__]
        raise MetapromptError(f"{path} cannot be loaded: {_describe(error, str(path))}") from error
    finally:
        sys.path.remove(folder)
    return module


def _finished(result: object) -> object:
    return asyncio.run(_awaited(result)) if inspect.isawaitable(result) else result


async def _awaited(result: Awaitable[object]) -> object:
    return await result


def _context(attempt: Attempt) -> Context:
    return {
        "vars": plain(attempt.case.vars),
        "prompt": [
            {"role": message.role, "content": message.content, **_entries(plain(message.extra))}
            for message in attempt.messages
        ],
        "tool_calls": [
            {"name": call.name, "arguments": plain(call.arguments), "raw_arguments": call.raw_arguments, "id": call.id}
            for call in reply_of(attempt).tool_calls
        ],
    }


def _entries(value: Plain) -> dict[str, Plain]:
    return value if isinstance(value, dict) else {}


def _describe(error: BaseException, origin: str) -> str:
    """The exception by name, with the last line of the user's code that it went through."""
    if isinstance(error, SyntaxError) and error.filename == origin:
        return _syntax_message(error)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == origin]
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"{text}, in line {lines[-1]}" if lines else text


def _syntax_message(error: BaseException) -> str:
    if not isinstance(error, SyntaxError):
        return f"the code cannot be compiled: {error}"
    return f"{error.msg}, in line {error.lineno}" if error.lineno else error.msg


def _syntax_hint(code: str) -> str | None:
    hint = "one line is an expression; write several lines for a body that returns"
    return hint if _is_expression(code) else None


def _is_expression(code: str) -> bool:
    return "\n" not in code.strip()
