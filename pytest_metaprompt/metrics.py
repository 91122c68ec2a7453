"""Named scores: what the assertions with a `metric` add up to, and what formulas make of the sums.

As in promptfoo, an assertion adds its score times its weight, one inside an `assert-set` times the weight of the set.
"""

from __future__ import annotations

import ast
import math
import operator
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from pytest_metaprompt.results import Attempt, Run, Verdict

COUNT = "__count"
"""What a formula calls the number of attempts."""

_OPERATORS: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_FUNCTIONS: Mapping[str, Callable[..., float]] = {
    "abs": abs,
    "ceil": math.ceil,
    "exp": math.exp,
    "floor": math.floor,
    "log": math.log,
    "max": max,
    "mean": lambda *numbers: sum(numbers) / len(numbers),
    "min": min,
    "pow": pow,
    "round": round,
    "sqrt": math.sqrt,
    "sum": lambda *numbers: sum(numbers),
}


def run_metrics(run: Run) -> dict[str, float | None]:
    """The sum of every metric over the attempts of a run, then the derived ones; None where a formula has no value."""
    attempts = [attempt for result in run.results for attempt in result.attempts]
    found: dict[str, float | None] = {name: sum(map(operator.mul, *pair)) for name, pair in _parts(attempts).items()}
    for name, formula in run.suite.column.derived if run.suite.column is not None else ():
        known = {key: value for key, value in found.items() if value is not None}
        found[name] = evaluate(formula, {**known, COUNT: len(attempts)})
    return found


def attempt_metrics(attempt: Attempt) -> dict[str, float]:
    """The weighted mean score of every metric of an attempt."""
    means = {}
    for name, (scores, weights) in _parts([attempt]).items():
        total = sum(weights)
        means[name] = sum(map(operator.mul, scores, weights)) / total if total else 0.0
    return means


def evaluate(formula: str, values: Mapping[str, float]) -> float | None:
    """The value of a formula of numbers, names, `+ - * / % ^`, brackets and a few functions; None if it has none."""
    try:
        result = _value(ast.parse(formula.strip().replace("^", "**"), mode="eval").body, values)
    except (SyntaxError, LookupError, ValueError, TypeError, ArithmeticError, RecursionError):
        return None
    return float(result) if isinstance(result, int | float) and math.isfinite(result) else None


def _parts(attempts: Sequence[Attempt]) -> dict[str, tuple[list[float], list[float]]]:
    """The scores and weights of every metric."""
    parts: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for attempt in attempts:
        for name, verdict, weight in _named(attempt.verdicts, 1.0):
            parts[name][0].append(verdict.score)
            parts[name][1].append(weight)
    return parts


def _named(verdicts: Sequence[Verdict], outer: float) -> Iterator[tuple[str, Verdict, float]]:
    for verdict in verdicts:
        weight = verdict.weight * outer
        if verdict.metric:
            yield verdict.metric, verdict, weight
        yield from _named(verdict.children, weight)


def _value(node: ast.expr, values: Mapping[str, float]) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)  # so that a huge power overflows, and does not compute for ever
        case ast.Name(id=name):
            return values[name]
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_value(inner, values)
        case ast.UnaryOp(op=ast.UAdd(), operand=inner):
            return _value(inner, values)
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATORS[type(op)](_value(left, values), _value(right, values))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            return _FUNCTIONS[name](*(_value(argument, values) for argument in arguments))
    raise ValueError(ast.dump(node))
