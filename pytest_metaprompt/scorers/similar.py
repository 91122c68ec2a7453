"""`similar`, `similar:cosine`, `similar:dot`, `similar:euclidean`: the reply means about the same as the value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from pytest_metaprompt.protocols import Graders
from pytest_metaprompt.results import Attempt, Verdict
from pytest_metaprompt.scorers.embedding import Embedder, Vector, cosine, distance, dot, open_embedder
from pytest_metaprompt.scorers.excerpts import excerpt
from pytest_metaprompt.scorers.grading import provider_of
from pytest_metaprompt.scorers.judgement import verdict
from pytest_metaprompt.scorers.values import problem, read_one_or_more
from pytest_metaprompt.scorers.verdicts import fails, reply_of
from pytest_metaprompt.suites import Assertion

Measure = Literal["cosine", "dot", "euclidean"]

THRESHOLD = 0.75

_MEASURES: dict[str, Measure] = {
    "similar": "cosine",
    "similar:cosine": "cosine",
    "similar:dot": "dot",
    "similar:euclidean": "euclidean",
}

SIMILAR = tuple(_MEASURES)
"""The types of this family."""


@dataclass(frozen=True, slots=True)
class Similar:
    """Holds if the reply is near enough to one of the texts: cosine or dot product at least, distance at most, the
    threshold."""

    embedder: Embedder
    texts: tuple[str, ...]
    measure: Measure
    threshold: float

    async def score(self, attempt: Attempt) -> Verdict:
        """Compares the reply with each text; the nearest one counts. An empty reply is like nothing."""
        reply = reply_of(attempt).text
        if not reply.strip():
            return fails("the reply is empty")
        vector = await self.embedder.embed(reply)
        near = [(self._compare(vector, await self.embedder.embed(text)), text) for text in self.texts]
        if self.measure == "euclidean":
            value, text = min(near)
            return self._verdict(passed=value <= self.threshold, value=value, score=1 / (1 + value), text=text)
        value, text = max(near)
        return self._verdict(passed=value >= self.threshold, value=value, score=value, text=text)

    def _compare(self, one: Vector, other: Vector) -> float:
        return {"cosine": cosine, "dot": dot, "euclidean": distance}[self.measure](one, other)

    def _verdict(self, *, passed: bool, value: float, score: float, text: str) -> Verdict:
        name = {"cosine": "cosine", "dot": "dot product", "euclidean": "distance"}[self.measure]
        reason = f"{name} {value:.3f} to {excerpt(text, width=60)} (threshold {self.threshold:g})"
        return verdict(passed=passed, score=score, reason=reason)


def open_similar(assertion: Assertion, graders: Graders) -> Similar:
    """The scorer of a `similar`; `value` is a text, or a list of texts of which one must be near."""
    embedder = open_embedder(assertion, graders, own=provider_of(assertion, graders))
    return Similar(embedder, read_one_or_more(assertion), _MEASURES[assertion.kind], _threshold(assertion))


def _threshold(assertion: Assertion) -> float:
    threshold = THRESHOLD if assertion.threshold is None else assertion.threshold
    if not math.isfinite(threshold) or threshold <= 0:
        raise problem(assertion, f"threshold must be above 0, not {threshold:g}")
    return threshold
