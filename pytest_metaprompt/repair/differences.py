"""What differs between an answer and what was expected, in as few words as possible."""

from __future__ import annotations

import re

from pytest_metaprompt.embedded.escapes import alike
from pytest_metaprompt.results import Verdict

MOST = 80
"""A piece of text in a difference is cut to so many characters."""

FREE_TEXT = frozenset(
    {"llm-rubric", "g-eval", "factuality", "model-graded-closedqa", "python", "javascript", "webhook", "python-test"}
)
"""Assertions whose reasons are sentences of a judge or of the user's code, never twice the same."""

_PATH = re.compile(r"^[\w$][\w$.\[\]'\" -]{0,120}$")
_INDEX = re.compile(r"\[\d+\]")
_MASKS = (
    (re.compile(r"…?'(?:[^'\\]|\\.)*'…?"), "text"),
    (re.compile(r"…?\"(?:[^\"\\]|\\.)*\"…?"), "text"),
    (_INDEX, "[*]"),
    (re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w])"), "number"),
    (re.compile(r"\b(?:true|false)\b"), "true or false"),
)


def cause_of(verdict: Verdict) -> str:
    """The failed assertion's type, the fields that differ and how, without the values: equal for equal causes."""
    if verdict.type.removeprefix("not-") in FREE_TEXT:
        return f"{verdict.type} {verdict.metric}" if verdict.metric else verdict.type
    parts = dict.fromkeys(_masked(part) for part in _parts(verdict.reason))
    return f"{verdict.type}: {'; '.join(parts)}"[:300]


def minimal_difference(expected: str, output: str) -> str | None:
    """Where the output leaves the expected text, or what it has around it; None for equal texts."""
    if expected == output:
        return None
    if not output:
        return "the output is empty"
    if expected and expected in output:
        before, _, after = output.partition(expected)
        around = [f"before it {_short(before)}"] if before else []
        around += [f"after it {_short(after)}"] if after else []
        return f"the output holds the expected text, but has {' and '.join(around)}"
    same = alike(expected, output)
    tail = min(alike(expected[::-1], output[::-1]), len(expected) - same, len(output) - same)
    left, right = expected[same : len(expected) - tail], output[same : len(output) - tail]
    where = f"after the same {same} characters, " if same else ""
    return f"{where}expected {_short(left)}, got {_short(right)}"


def _parts(reason: str) -> list[str]:
    """The reason, apart where it tells of several fields."""
    return reason.split("; ") if re.search(r"; [\w$][^;:]*: ", reason) else [reason]


def _masked(part: str) -> str:
    lead, colon, rest = part.partition(": ")
    if not colon or not _PATH.match(lead):
        lead, rest = "", part
    for pattern, name in _MASKS:
        rest = pattern.sub(name, rest)
    return f"{_INDEX.sub('[*]', lead)}: {rest}" if lead else rest


def _short(text: str) -> str:
    half = MOST // 2
    return repr(text if len(text) <= MOST else f"{text[:half]} [...] {text[-half:]}")
