import asyncio

import pytest

from pytest_metaprompt.results import Attempt
from pytest_metaprompt.scorers.verdicts import Labelled, fails, holds, reply_of
from pytest_metaprompt.suites import Case

from .asking import HERE, assertion, attempt


class Passing:
    async def score(self, attempt):
        return holds("fine")


def test_the_label_of_the_assertion_is_put_on_the_verdict():
    label = assertion("not-regex", "a", weight=0.0, metric="tone")
    verdict = asyncio.run(Labelled(label, Passing()).score(attempt()))
    assert (verdict.type, verdict.weight, verdict.metric) == ("not-regex", 0.0, "tone")
    assert (verdict.passed, verdict.score, verdict.reason) == (True, 1.0, "fine")


def test_what_fails_scores_nothing():
    assert fails("no").score == 0.0


def test_an_attempt_without_a_reply_is_a_bug_of_ours():
    with pytest.raises(AssertionError, match="without a reply"):
        reply_of(Attempt(Case("a", HERE)))
