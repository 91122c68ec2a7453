"""`context-recall`, `context-relevance` and `context-faithfulness`: how an answer from documents holds together.

Each asks about numbered sentences that we split ourselves, so that a verdict is a share of a known number and a judge
that leaves one out is noticed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_metaprompt.errors import ScorerError
from pytest_metaprompt.protocols import Graders
from pytest_metaprompt.results import Attempt, Verdict
from pytest_metaprompt.scorers.excerpts import excerpt, few
from pytest_metaprompt.scorers.grading import Judge, Question, open_judge
from pytest_metaprompt.scorers.judgement import (
    REASON,
    object_schema,
    read_numbered,
    read_reason,
    read_share,
    verdict,
)
from pytest_metaprompt.scorers.values import read_text_value
from pytest_metaprompt.scorers.verdicts import fails, reply_of
from pytest_metaprompt.suites import Assertion, Json
from pytest_metaprompt.templates import as_text

THRESHOLD = 0.7
RELEVANCE_THRESHOLD = 0.5

RECALL = """\
You check what a context covers. For each numbered sentence of the ground truth, decide whether it can be attributed \
to the context."""

RELEVANCE = """\
You check what of a context was needed. For each numbered sentence of the context, decide whether it helps to answer \
the query."""

FAITHFULNESS = """\
You check an answer against a context. For each numbered sentence of the answer, decide whether the context supports \
it. What the context does not say is not supported, even if it is true."""

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_WORD = re.compile(r"[^\W\d_]")


def sentences(text: str) -> list[str]:
    """The sentences of a text. A piece without a letter, such as the number of a list item, goes with the next one."""
    found: list[str] = []
    carried = ""
    for piece in _SENTENCE_END.split(text):
        carried = f"{carried} {piece}".strip()
        if _WORD.search(carried):
            found.append(carried)
            carried = ""
    if carried and not found:
        found.append(carried)
    return found


async def share_of(judge: Judge, task: str, sections: Mapping[str, Json], items: Sequence[Json], truth: str) -> Share:
    """How many of the numbered items the judge says `truth` of.

    Raises:
        ScorerError: The judge gave no verdict, or left an item out.
    """
    numbered: list[Json] = [{"number": number, "item": item} for number, item in enumerate(items, 1)]
    one = object_schema(**{"number": {"type": "integer"}, truth: {"type": "boolean"}})
    schema = object_schema(reason=REASON, items={"type": "array", "items": one})
    form = f'{{"reason": "what decides it", "items": [{{"number": 1, "{truth}": true or false}}, ...]}}'
    answer = await judge.ask(Question(task, {**sections, "items": numbered}, form, schema))
    found = read_numbered(answer, "items", truth, count=len(items))
    return Share(tuple(number for number in sorted(found) if not found[number]), len(items), read_reason(answer))


@dataclass(frozen=True, slots=True)
class Share:
    """A part of numbered items; `missing` are the numbers of the others."""

    missing: tuple[int, ...]
    total: int
    reason: str

    @property
    def value(self) -> float:
        """The part, in 0..1."""
        return 1 - len(self.missing) / self.total


@dataclass(frozen=True, slots=True)
class ContextRecall:
    """Holds if enough of the ground truth's sentences can be attributed to the context."""

    judge: Judge
    truth: str
    threshold: float

    async def score(self, attempt: Attempt) -> Verdict:
        """Asks the judge about the sentences of the ground truth. The reply itself plays no part."""
        items = sentences(self.truth)
        sections: dict[str, Json] = {"context": documents_of(attempt)}
        share = await share_of(self.judge, RECALL, sections, items, "attributed")
        return judged(share, items, "attributed to the context", self.threshold)


@dataclass(frozen=True, slots=True)
class ContextRelevance:
    """Holds if enough of the context's sentences help to answer the query."""

    judge: Judge
    threshold: float

    async def score(self, attempt: Attempt) -> Verdict:
        """Asks the judge about the sentences of the context. The reply itself plays no part."""
        items = sentences(documents_of(attempt))
        share = await share_of(self.judge, RELEVANCE, {"query": query_of(attempt)}, items, "relevant")
        return judged(share, items, "relevant to the query", self.threshold)


@dataclass(frozen=True, slots=True)
class ContextFaithfulness:
    """Holds if enough of the reply's sentences are supported by the context."""

    judge: Judge
    threshold: float

    async def score(self, attempt: Attempt) -> Verdict:
        """Asks the judge about the sentences of the reply; a reply without one does not hold."""
        items = sentences(reply_of(attempt).text)
        if not items:
            return fails("the reply is empty, so nothing in it is supported")
        sections: dict[str, Json] = {"query": query_of(attempt), "context": documents_of(attempt)}
        share = await share_of(self.judge, FAITHFULNESS, sections, items, "supported")
        return judged(share, items, "supported by the context", self.threshold)


def judged(share: Share, items: Sequence[str], what: str, threshold: float) -> Verdict:
    """The verdict on a share, which names the items that are missing."""
    lacking = few([excerpt(items[number - 1], width=60) for number in share.missing])
    count = share.total - len(share.missing)
    reason = f"{count} of {share.total} are {what} (threshold {threshold:g})"
    reason += f", not {lacking}: {share.reason}" if share.missing else ""
    return verdict(passed=share.value >= threshold, score=share.value, reason=reason)


def query_of(attempt: Attempt) -> str:
    """What was asked: the case's var `query`, else its input, else the last user message.

    Raises:
        ScorerError: There is none of them.
    """
    case = attempt.case
    if "query" in case.vars:
        return as_text(case.vars["query"])
    if case.input is not None:
        return case.input
    asked = [one.content for one in (*attempt.messages, *attempt.transcript) if one.role == "user"]
    if not asked:
        raise ScorerError("no query is known (give the case a var query)")
    return asked[-1]


def documents_of(attempt: Attempt) -> str:
    """The documents: the case's var `context`, a text or a list of texts.

    Raises:
        ScorerError: There is none, or it is empty.
    """
    value = attempt.case.vars.get("context", "")
    text = "\n".join(map(as_text, value)) if isinstance(value, list | tuple) else as_text(value)
    if not text.strip():
        raise ScorerError("no context is known (give the case a var context)")
    return text


def open_context_recall(assertion: Assertion, graders: Graders) -> ContextRecall:
    """The scorer of a `context-recall`; `value` is the ground truth."""
    judge, truth = open_judge(assertion, graders), read_text_value(assertion)
    return ContextRecall(judge, truth, read_share(assertion, default=THRESHOLD))


def open_context_relevance(assertion: Assertion, graders: Graders) -> ContextRelevance:
    """The scorer of a `context-relevance`."""
    threshold = read_share(assertion, default=RELEVANCE_THRESHOLD)
    return ContextRelevance(open_judge(assertion, graders), threshold)


def open_context_faithfulness(assertion: Assertion, graders: Graders) -> ContextFaithfulness:
    """The scorer of a `context-faithfulness`."""
    return ContextFaithfulness(open_judge(assertion, graders), read_share(assertion, default=THRESHOLD))
