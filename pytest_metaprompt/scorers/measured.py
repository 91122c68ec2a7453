"""`latency`, `cost` and `perplexity`: what the call itself was like, and whether that is within a limit."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from pytest_metaprompt.errors import ScorerError
from pytest_metaprompt.protocols import Scorer
from pytest_metaprompt.results import Attempt, Reply, Verdict
from pytest_metaprompt.scorers.values import read_limit, read_threshold, refuse_value
from pytest_metaprompt.scorers.verdicts import fails, holds, measured, reply_of
from pytest_metaprompt.suites import Assertion


@dataclass(frozen=True, slots=True)
class AtMost:
    """Holds if what `measure` finds is at most the limit; `found` and `wanted` say both in words, as formats.

    `measure` raises `ScorerError` where the call tells nothing of it.
    """

    assertion: Assertion
    limit: float
    measure: Callable[[Reply, Assertion], float]
    found: str
    wanted: str = "{:g}"

    async def score(self, attempt: Attempt) -> Verdict:
        """Measures the call that gave the reply."""
        value = self.measure(reply_of(attempt), self.assertion)
        found, wanted = self.found.format(value), self.wanted.format(self.limit)
        return holds(f"{found}, at most {wanted}") if value <= self.limit else fails(f"{found}, more than {wanted}")


@dataclass(frozen=True, slots=True)
class PerplexityScore:
    """Holds if 1 / (1 + perplexity) reaches the threshold; it is the score."""

    assertion: Assertion
    threshold: float

    async def score(self, attempt: Attempt) -> Verdict:
        """Computes the score.

        Raises:
            ScorerError: The reply has no log probabilities.
        """
        score = 1 / (1 + _perplexity(reply_of(attempt), self.assertion))
        passed = score >= self.threshold
        reason = f"the perplexity score is {score:.4g}, {'at least' if passed else 'less than'} {self.threshold:g}"
        return measured(score, passed=passed, reason=reason)


def open_latency(assertion: Assertion) -> Scorer:
    """The scorer of a `latency`; the threshold is in milliseconds. A stored reply has the latency of its call."""
    refuse_value(assertion)
    return AtMost(assertion, read_limit(assertion), _latency_ms, found="it took {} ms")


def open_cost(assertion: Assertion) -> Scorer:
    """The scorer of a `cost`; the threshold is in US dollars."""
    refuse_value(assertion)
    return AtMost(assertion, read_limit(assertion), _cost_usd, found="it cost ${:.6g}", wanted="${:g}")


def open_perplexity(assertion: Assertion) -> Scorer:
    """The scorer of a `perplexity`."""
    refuse_value(assertion)
    return AtMost(assertion, read_limit(assertion), _perplexity, found="the perplexity is {:.4g}")


def open_perplexity_score(assertion: Assertion) -> Scorer:
    """The scorer of a `perplexity-score`. Without a threshold it is refused, unless a promptfoo file holds it."""
    refuse_value(assertion)
    default = 0.0 if assertion.dialect == "promptfoo" else None
    return PerplexityScore(assertion, read_threshold(assertion, default=default))


def _latency_ms(reply: Reply, assertion: Assertion) -> float:
    return round(reply.latency_s * 1000)


def _cost_usd(reply: Reply, assertion: Assertion) -> float:
    if reply.cost_usd is None:
        message = f"{assertion.type}: no price is known for this model, so the cost is not"
        raise ScorerError(message, where=assertion.where)
    return reply.cost_usd


def _perplexity(reply: Reply, assertion: Assertion) -> float:
    """exp(-mean log probability of the tokens)."""
    if not reply.logprobs:
        hint = "add  logprobs: true  to the target"
        message = f"{assertion.type}: the reply has no log probabilities"
        raise ScorerError(message, where=assertion.where, hint=hint)
    mean = sum(reply.logprobs) / len(reply.logprobs)
    return math.exp(min(-mean, 700.0))
