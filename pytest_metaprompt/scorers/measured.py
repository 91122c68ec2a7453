"""`latency`, `cost` and `perplexity`: what the call itself was like, and whether that is within a limit."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pytest_metaprompt.errors import ScorerError
from pytest_metaprompt.protocols import Scorer
from pytest_metaprompt.results import Attempt, Reply, Verdict
from pytest_metaprompt.scorers.values import read_limit, read_threshold, refuse_value
from pytest_metaprompt.scorers.verdicts import fails, holds, measured, reply_of
from pytest_metaprompt.suites import Assertion


@dataclass(frozen=True, slots=True)
class Latency:
    """Holds if the model answered within so many milliseconds. An answer out of the cache has its first latency."""

    limit_ms: float

    async def score(self, attempt: Attempt) -> Verdict:
        """Compares the latency of the reply."""
        took = round(reply_of(attempt).latency_s * 1000)
        if took <= self.limit_ms:
            return holds(f"it took {took} ms, at most {self.limit_ms:g}")
        return fails(f"it took {took} ms, more than {self.limit_ms:g}")


@dataclass(frozen=True, slots=True)
class Cost:
    """Holds if the call cost at most so many dollars."""

    assertion: Assertion
    limit_usd: float

    async def score(self, attempt: Attempt) -> Verdict:
        """Compares the cost of the reply.

        Raises:
            ScorerError: No price is known.
        """
        cost = reply_of(attempt).cost_usd
        if cost is None:
            message = f"{self.assertion.type}: no price is known for this model, so the cost is not"
            raise ScorerError(message, where=self.assertion.where)
        if cost <= self.limit_usd:
            return holds(f"it cost ${cost:.6g}, at most ${self.limit_usd:g}")
        return fails(f"it cost ${cost:.6g}, more than ${self.limit_usd:g}")


@dataclass(frozen=True, slots=True)
class Perplexity:
    """Holds if the perplexity of the reply, exp(-mean log probability of its tokens), is at most the limit."""

    assertion: Assertion
    limit: float

    async def score(self, attempt: Attempt) -> Verdict:
        """Computes the perplexity.

        Raises:
            ScorerError: The reply has no log probabilities.
        """
        found = _perplexity(reply_of(attempt), self.assertion)
        if found <= self.limit:
            return holds(f"the perplexity is {found:.4g}, at most {self.limit:g}")
        return fails(f"the perplexity is {found:.4g}, more than {self.limit:g}")


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
    """The scorer of a `latency`; the threshold is in milliseconds."""
    refuse_value(assertion)
    return Latency(read_limit(assertion, default=None))


def open_cost(assertion: Assertion) -> Scorer:
    """The scorer of a `cost`; the threshold is in US dollars."""
    refuse_value(assertion)
    return Cost(assertion, read_limit(assertion, default=None))


def open_perplexity(assertion: Assertion) -> Scorer:
    """The scorer of a `perplexity`."""
    refuse_value(assertion)
    return Perplexity(assertion, read_limit(assertion, default=None))


def open_perplexity_score(assertion: Assertion) -> Scorer:
    """The scorer of a `perplexity-score`. Without a threshold it is refused, unless a promptfoo file holds it."""
    refuse_value(assertion)
    default = 0.0 if assertion.dialect == "promptfoo" else None
    return PerplexityScore(assertion, read_threshold(assertion, default=default))


def _perplexity(reply: Reply, assertion: Assertion) -> float:
    if not reply.logprobs:
        hint = "add  logprobs: true  to the target"
        message = f"{assertion.type}: the reply has no log probabilities"
        raise ScorerError(message, where=assertion.where, hint=hint)
    mean = sum(reply.logprobs) / len(reply.logprobs)
    return math.exp(min(-mean, 700.0))
