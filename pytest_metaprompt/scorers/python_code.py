"""The user's Python: an expression, the body of a function, or a function in a file."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from textwrap import dedent

from pytest_metaprompt.files import FILE_PREFIX
from pytest_metaprompt.python_files import (
    UserCodeError,
    describe_error,
    finished,
    load_module,
    split_reference,
    syntax_message,
)
from pytest_metaprompt.scorers.code import CodeError, CodeSource
from pytest_metaprompt.scorers.excerpts import excerpt
from pytest_metaprompt.scorers.json_values import Plain
from pytest_metaprompt.scorers.outputs import Context
from pytest_metaprompt.scorers.value_files import names_file

_Function = Callable[[Plain, Context], object]


@dataclass(frozen=True, slots=True)
class PythonCode:
    """A Python function of `output` and `context`. `origin` is the file name under which it was compiled."""

    function: _Function
    label: str
    origin: str

    def run(self, output: Plain, context: Context) -> object:
        """What the function returns; a coroutine is awaited.

        Raises:
            CodeError: It raised an exception.
        """
        try:
            return finished(self.function(output, context))
        except BaseException as error:  # sys.exit and pytest.fail in the user's code must not end the whole run.
            raise CodeError(describe_error(error, self.origin)) from error


def is_python_file(text: str) -> bool:
    """Whether the text names a Python file, and perhaps a function in it."""
    return names_file(text) and split_reference(text.removeprefix(FILE_PREFIX), default="") is not None


def open_python_code(source: CodeSource) -> PythonCode:
    """The code, ready to run; a file is executed here, once, to find the function.

    Raises:
        CodeError: The code cannot be compiled, the file cannot be loaded, or the function is not in it.
        MetapromptError: The file cannot be read.
    """
    return _from_file(source) if names_file(source.text) else _from_text(source)


def _from_text(source: CodeSource) -> PythonCode:
    code = dedent(source.text).rstrip()
    origin = f"<{source.where or 'python'}>"
    try:
        function = _compile(code, origin)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        hint = "one line is an expression; write several lines for a body that returns"
        raise CodeError(syntax_message(error) + (f" ({hint})" if _is_expression(code) else "")) from None
    label = f"{excerpt(code.strip())} is" if _is_expression(code) else "the code returned"
    return PythonCode(function, label, origin)


def _compile(code: str, origin: str) -> _Function:
    module = ast.parse("def user_code(output, context): pass", origin)
    function = module.body[0]
    assert isinstance(function, ast.FunctionDef)
    function.body = _body(code, origin)
    namespace: dict[str, object] = {"json": json, "re": re, "__name__": "metaprompt_assertion"}
    exec(compile(ast.fix_missing_locations(module), origin, "exec", dont_inherit=True), namespace)
    compiled = namespace["user_code"]
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


def _from_file(source: CodeSource) -> PythonCode:
    reference = split_reference(source.text.removeprefix(FILE_PREFIX), default=source.default)
    if reference is None:
        raise CodeError(f"{source.text!r} does not name a Python file (write  file://checks.py:function)")
    path, name = source.base / reference[0], reference[1]
    try:
        module = load_module(path, source.read(path))
    except UserCodeError as error:
        raise CodeError(error.message) from error.__cause__
    function = getattr(module, name, None)
    if not callable(function):
        raise CodeError(f"{path} has no function {name!r} (write  def {name}(output, context): ...)")
    return PythonCode(function, f"{path.name}:{name} returned", str(path))


def _is_expression(code: str) -> bool:
    return "\n" not in code.strip()
