"""A Python test as a case: what it gives, what it compares with, and what it says."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pytest

from pytest_metaprompt.errors import Place
from pytest_metaprompt.results import Attempt, CaseResult
from pytest_metaprompt.suites import PYTHON_TEST, Assertion, Case, Json, Message, ModelSpec


def describe(item: pytest.Item, *, shown_path: str) -> Case:
    """The case of a test, before it was run. Its id is the node id behind the file."""
    _, line, _ = item.reportinfo()
    source = _source(item)
    where = Place(shown_path, (line or 0) + 1)
    params = getattr(getattr(item, "callspec", None), "params", {})
    texts = list(dict.fromkeys(_compared(source, params)))
    check = Assertion(PYTHON_TEST, value=texts, settings={"source": source}, where=where)
    return Case(item.nodeid.partition("::")[2], where, assertions=(check,))


def with_inputs(case: Case, attempts: Sequence[Attempt]) -> Case:
    """The case with what the test gave in its first run: the first call as it was, then the words of the others."""
    made = next((attempt.exchanges for attempt in attempts if attempt.exchanges), ())
    if not made:
        return case
    first, *others = (exchange.case for exchange in made)
    more = {text: None for other in others for text in _words(other)}
    messages = (*first.messages, *(Message("user", text) for text in more))
    return replace(case, vars=first.vars, input=first.input, messages=messages)


def with_tools(target: ModelSpec | None, results: Sequence[CaseResult]) -> ModelSpec | None:
    """The target, with the tools among its parameters that the tests offered to it call by call."""
    made = [exchange for result in results for attempt in result.attempts for exchange in attempt.exchanges]
    offered = [tool for exchange in made for tool in _list(exchange.params.get("tools"))]
    tools = [tool for at, tool in enumerate(offered) if tool not in offered[:at]]
    if target is None or not tools:
        return target
    own = [tool for tool in _list(target.params.get("tools")) if tool not in tools]
    return replace(target, params={**target.params, "tools": [*own, *tools]})


def _list(value: Json) -> list[Json]:
    return list(value) if isinstance(value, list | tuple) else []


def _words(case: Case) -> Iterator[str]:
    """What the user says in a call."""
    if case.input is not None:
        yield case.input
    yield from (message.content for message in case.messages if message.role == "user")


def _source(item: pytest.Item) -> str:
    function = getattr(item, "function", None)
    try:
        return textwrap.dedent(inspect.getsource(function)) if function is not None else ""
    except (OSError, TypeError):  # There is no file with it.
        return ""


def _compared(source: str, params: Mapping[str, object]) -> Iterator[str]:
    """The texts that assertions want the reply to equal or hold, written there or given by a parameter."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # A lambda, or lines that no parser takes out of their place.
        return
    for check in (node.test for node in ast.walk(tree) if isinstance(node, ast.Assert)):
        for compared in (node for node in ast.walk(check) if isinstance(node, ast.Compare)):
            if all(isinstance(op, ast.Eq | ast.In) for op in compared.ops):
                yield from _texts([compared.left, *compared.comparators], params)


def _texts(operands: Sequence[ast.expr], params: Mapping[str, object]) -> Iterator[str]:
    """Texts that stand for themselves; what is given to a call, such as the question itself, is not compared."""
    for node in operands:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.Name) and isinstance(value := params.get(node.id), str):
            yield value
        elif isinstance(node, ast.List | ast.Tuple | ast.Set):
            yield from _texts(node.elts, params)
        elif isinstance(node, ast.Dict):
            yield from _texts(node.values, params)
