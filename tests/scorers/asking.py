"""Ask one scorer for its verdict, from a type, a value and a reply."""

import asyncio
from pathlib import Path

import pytest

from pytest_metaprompt.errors import MetapromptError, Place
from pytest_metaprompt.results import Attempt, Reply, ToolCall
from pytest_metaprompt.scorers import check, open_scorer
from pytest_metaprompt.suites import Assertion, Case, Message

HERE = Place("suite.metaprompt.yaml", 3)
NOWHERE = Path("/nowhere")


def assertion(
    type_,
    value=None,
    *,
    threshold=None,
    weight=1.0,
    metric=None,
    transform=None,
    children=(),
    dialect="native",
    **settings,
):
    kind = type_.removeprefix("not-")
    negated = type_ != kind
    return Assertion(
        kind, value, negated, threshold, weight, metric, settings, HERE, transform, tuple(children), dialect
    )


def attempt(text="", *, calls=(), variables=None, messages=(), params=None, **reply):
    case = Case("case", HERE, vars=variables or {})
    return Attempt(case, tuple(messages), reply=Reply(text, tool_calls=tuple(calls), **reply), params=params or {})


def verdict(wanted, tried, *, base=NOWHERE):
    return asyncio.run(open_scorer(wanted, base=base).score(tried))


def judge(type_, value, text="", *, calls=(), base=NOWHERE, **fields):
    return verdict(assertion(type_, value, **fields), attempt(text, calls=calls), base=base)


def refusal(type_, value=None, **fields):
    """What `check` says of an assertion that cannot work."""
    with pytest.raises(MetapromptError) as caught:
        check(assertion(type_, value, **fields))
    assert caught.value.where == HERE
    return str(caught.value)


def call(name, arguments=None, raw="{}"):
    return ToolCall(name, arguments, raw)


def user(text):
    return Message("user", text)
