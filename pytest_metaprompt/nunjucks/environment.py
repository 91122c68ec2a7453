"""Jinja's sandbox with the grammar, the operators and the attributes of Nunjucks."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from jinja2 import ChainableUndefined, Undefined, nodes
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment

from pytest_metaprompt.js_values import as_number, js_equal, js_number, js_same, js_text, js_truthy
from pytest_metaprompt.nunjucks import SELF
from pytest_metaprompt.nunjucks.filters import FILTERS, printed
from pytest_metaprompt.nunjucks.members import member

_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt,
    "lteq": operator.le,
    "gt": operator.gt,
    "gteq": operator.ge,
}
_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
}
_FROM_JINJA = ("abs", "batch", "center", "dictsort", "random", "slice", "striptags", "sum", "urlize", "wordcount")
_LONGEST_RANGE = 100_000


class _Grammar(Extension):
    """Refuses what Jinja reads and Nunjucks does not: `lst.0`, and two texts side by side."""

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        before: Token | None = None
        for token in stream:
            kinds = (before.type if before else "", token.type)
            if kinds == ("dot", "integer"):
                self._refuse(f"expected a name after the dot, not {token.value}", token, stream)
            if kinds == ("string", "string"):
                self._refuse("two texts stand side by side", token, stream)
            yield token
            before = token

    def _refuse(self, message: str, token: Token, stream: TokenStream) -> None:
        from jinja2 import TemplateSyntaxError

        raise TemplateSyntaxError(message, token.lineno, stream.name, stream.filename)


class _Parser(Parser):
    """Reads expressions so that operators follow JavaScript, `===` and `!==` among them."""

    def parse_or(self) -> nodes.Expr:
        left = self.parse_and()
        while self.stream.skip_if("name:or"):
            left = nodes.CondExpr(left, left, self.parse_and(), lineno=left.lineno)
        return left

    def parse_and(self) -> nodes.Expr:
        left = self.parse_not()
        while self.stream.skip_if("name:and"):
            left = nodes.CondExpr(left, self.parse_not(), left, lineno=left.lineno)
        return left

    def parse_not(self) -> nodes.Expr:
        if self.stream.current.test("name:not"):
            lineno = next(self.stream).lineno
            return nodes.Not(_call("js_truthy", self.parse_not()), lineno=lineno)
        return self.parse_compare()

    def parse_compare(self) -> nodes.Expr:
        left = self.parse_math1()
        while True:
            kind = self.stream.current.type
            if kind in ("eq", "ne"):
                next(self.stream)
                how = "js_same" if self.stream.skip_if("assign") else "js_equal"
                equal = _call(how, left, self.parse_math1())
                left = equal if kind == "eq" else nodes.Not(equal, lineno=left.lineno)
            elif kind in _ORDER:
                next(self.stream)
                left = _call("js_order", left, self.parse_math1(), nodes.Const(kind))
            elif self.stream.skip_if("name:in"):
                left = _call("js_in", left, self.parse_math1())
            elif self.stream.current.test("name:not") and self.stream.look().test("name:in"):
                self.stream.skip(2)
                left = nodes.Not(_call("js_in", left, self.parse_math1()), lineno=left.lineno)
            else:
                return left


class NunjucksEnvironment(SandboxedEnvironment):
    """What templates are compiled with."""

    intercepted_binops = frozenset({"+", *_ARITHMETIC})

    js_truthy = staticmethod(lambda value: not isinstance(value, Undefined) and js_truthy(value))

    def __init__(self) -> None:
        super().__init__(
            undefined=ChainableUndefined, finalize=printed, keep_trailing_newline=True, extensions=[_Grammar]
        )
        self.filters = {name: self.filters[name] for name in _FROM_JINJA} | FILTERS
        self.tests |= {"null": lambda value: value is None, "truthy": self.js_truthy}
        self.globals = {name: self.globals[name] for name in ("cycler", "joiner")} | {"range": _range}

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        template = _Parser(self, source, name, filename).parse()
        for branch in template.find_all(nodes.If):
            branch.test = _call("js_truthy", branch.test)
        for choice in template.find_all(nodes.CondExpr):
            choice.test = _call("js_truthy", choice.test)
        for loop in template.find_all(nodes.For):
            names = len(loop.target.items) if isinstance(loop.target, nodes.Tuple) else 1
            loop.iter = _call("js_items", loop.iter, nodes.Const(names))
        for variable in template.find_all(nodes.Name):
            variable.name = SELF if variable.name == "self" else variable.name
        return template

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """An arithmetic operator; `+` joins as soon as one side is not a number."""
        if operator == "+" and any(isinstance(side, str | Mapping | list | tuple) for side in (left, right)):
            return _shown(left) + _shown(right)
        numbers = [as_number(None if isinstance(side, Undefined) else side) for side in (left, right)]
        if operator == "+":
            return js_number(sum(numbers))
        return js_number(_ARITHMETIC[operator](*numbers))

    def getattr(self, obj: Any, attribute: str) -> Any:
        """`obj.attribute`."""
        return self._member(obj, attribute, lambda: super(NunjucksEnvironment, self).getattr(obj, attribute))

    def getitem(self, obj: Any, argument: Any) -> Any:
        """`obj[argument]`."""
        return self._member(obj, argument, lambda: super(NunjucksEnvironment, self).getitem(obj, argument))

    def _member(self, obj: Any, key: Any, other: Callable[[], Any]) -> Any:
        if not isinstance(obj, str | int | float | Mapping | list | tuple | None):
            return other()
        found = member(obj, key)
        return self.undefined(obj=obj, name=key) if found is None and not _holds(obj, key) else found

    @staticmethod
    def js_equal(left: Any, right: Any) -> bool:
        """`==`; undefined equals null."""
        return js_equal(*(None if isinstance(side, Undefined) else side for side in (left, right)))

    @staticmethod
    def js_same(left: Any, right: Any) -> bool:
        """`===`."""
        return js_same(left, right)

    @staticmethod
    def js_order(left: Any, right: Any, how: str) -> bool:
        """`<`, `<=`, `>` or `>=`: as texts if both are, else as numbers."""
        if isinstance(left, str) and isinstance(right, str):
            return _ORDER[how](left, right)
        missing = isinstance(left, Undefined) or isinstance(right, Undefined)
        return not missing and _ORDER[how](as_number(left), as_number(right))

    @staticmethod
    def js_in(item: Any, container: Any) -> bool:
        """`in`: an item of a list, a part of a text, a key of a mapping."""
        if isinstance(container, str):
            return js_text(item) in container
        if isinstance(container, Mapping):
            return item in container
        return isinstance(container, Sequence) and any(js_same(item, other) for other in container)

    @staticmethod
    def js_items(value: Any, names: int) -> Any:
        """What a loop with so many names goes through; nothing where there is nothing to go through."""
        if isinstance(value, Mapping):
            return list(value.items()) if names == 2 else []
        return value if isinstance(value, str | list | tuple) else []


def _call(name: str, *arguments: nodes.Node) -> nodes.Call:
    return nodes.Call(
        nodes.EnvironmentAttribute(name),
        [argument for argument in arguments if isinstance(argument, nodes.Expr)],
        [],
        None,
        None,
        lineno=arguments[0].lineno,
    )


def _holds(obj: Any, key: Any) -> bool:
    return (isinstance(obj, Mapping) and key in obj) or (isinstance(obj, list | tuple) and isinstance(key, int))


def _shown(value: Any) -> str:
    return "undefined" if isinstance(value, Undefined) else js_text(value)


def _range(start: int, stop: int | None = None, step: int = 1) -> list[int]:
    numbers = range(start) if stop is None else range(start, stop, step)
    if len(numbers) > _LONGEST_RANGE:
        raise ValueError(f"range() gives more than {_LONGEST_RANGE} numbers")
    return list(numbers)


ENVIRONMENT = NunjucksEnvironment()
