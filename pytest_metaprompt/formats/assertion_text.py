"""Assertions as one line of text, the way promptfoo's CSV files hold them: `contains: hello`, `levenshtein(3): hello`.

The grammar is promptfoo 0.121's, with its one trap: without a number in brackets some types get the threshold 0.75,
which for `levenshtein`, `latency` and `cost` is hardly what anybody means.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass

from pytest_metaprompt.files import FILE_PREFIX
from pytest_metaprompt.suites import Json

_LISTS = ("contains-any", "contains-all", "icontains-any", "icontains-all")
_WITH_THRESHOLD = (
    "answer-relevance", "classifier", "context-faithfulness", "context-recall", "context-relevance", "cost", "latency",
    "levenshtein", "perplexity", "perplexity-score", "rouge-n", "similar", "starts-with",
)  # fmt: skip
_OTHERS = (
    "agent-rubric", "bleu", "contains", "contains-html", "contains-json", "contains-sql", "contains-xml",
    "conversation-relevance", "equals", "factuality", "finish-reason", "g-eval", "gleu", "guardrails", "icontains",
    "is-html", "is-json", "is-refusal", "is-sql", "is-valid-function-call", "is-valid-openai-function-call",
    "is-valid-openai-tools-call", "is-xml", "javascript", "llm-rubric", "meteor", "model-graded-closedqa",
    "model-graded-factuality", "moderation", "pi", "python", "regex", "ruby", "search-rubric", "similar:cosine",
    "similar:dot", "similar:euclidean", "skill-used", "tool-call-f1", "trace-error-spans", "trace-span-count",
    "trace-span-duration", "trajectory:goal-success", "trajectory:step-count", "trajectory:tool-args-match",
    "trajectory:tool-sequence", "trajectory:tool-used", "webhook", "word-count",
)  # fmt: skip
_SCHEMAS = ("contains-json", "is-json")
_DEFAULT_THRESHOLD = 0.75
_SURPRISING = ("cost", "latency", "levenshtein")

# Longest first, so that `contains` does not stand in the way of `contains-any`.
_TYPES = "|".join(map(re.escape, sorted({*_LISTS, *_WITH_THRESHOLD, *_OTHERS}, key=len, reverse=True)))
_FORM = re.compile(
    rf"(?P<sign>not-)?(?P<kind>{_TYPES})(?:\((?P<number>\d+(?:\.\d+)?)\))?(?P<colon>:(?P<value>.*))?", re.DOTALL
)
_PREFIXES = {
    "javascript:": "javascript", "fn:": "javascript", "eval:": "javascript",
    "grade:": "llm-rubric", "llm-rubric:": "llm-rubric", "python:": "python",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class AssertionText:
    """What a line of text says. `warning` tells of a threshold that its author can hardly have meant."""

    type: str
    value: Json = None
    threshold: float | None = None
    warning: str | None = None


def read_assertion_text(text: str) -> AssertionText:
    """The assertion that a cell describes; a cell of no other form means `equals` with the whole of it.

    An empty cell means that there is no assertion, and is not to be asked about.
    """
    for prefix, kind in _PREFIXES.items():
        if text.startswith(prefix):
            return AssertionText(kind, text.removeprefix(prefix).strip() or None)
    if text.startswith(FILE_PREFIX) and (text.endswith(".py") or ".py:" in text):
        return AssertionText("python", text)
    form = _FORM.fullmatch(text)
    if form is None:
        return AssertionText("equals", text)
    return _read(form["kind"], form["sign"] or "", form["number"], form["value"] if form["colon"] else None)


def _read(kind: str, sign: str, number: str | None, value: str | None) -> AssertionText:
    read: Json = value if value is None or kind in _SCHEMAS else value.strip()
    if kind in _LISTS:
        read = [cell.strip() for row in csv.reader([value or ""], skipinitialspace=True) for cell in row]
    if kind not in _WITH_THRESHOLD:
        return AssertionText(f"{sign}{kind}", read)
    # A 0 counts as no number there.
    threshold = float(number or 0) or _DEFAULT_THRESHOLD
    warning = None
    if number is None and kind in _SURPRISING:
        warning = f"{sign}{kind} without a number means a threshold of {_DEFAULT_THRESHOLD}: write {kind}(...): ..."
    return AssertionText(f"{sign}{kind}", read, threshold, warning)
