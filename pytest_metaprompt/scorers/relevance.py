"""`answer-relevance` and `conversation-relevance`: whether what is said answers what was asked."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_metaprompt.protocols import Graders
from pytest_metaprompt.results import Attempt, Verdict
from pytest_metaprompt.scorers.context import judged, query_of, share_of
from pytest_metaprompt.scorers.embedding import Embedder, cosine, open_embedder
from pytest_metaprompt.scorers.excerpts import excerpt
from pytest_metaprompt.scorers.grading import Judge, Question, open_judge
from pytest_metaprompt.scorers.judgement import dialogue_of, object_schema, read_share, read_strings, shown, verdict
from pytest_metaprompt.scorers.verdicts import fails, reply_of
from pytest_metaprompt.suites import Assertion, Json, Message

THRESHOLD = 0.7

QUESTIONS = """\
You are given an answer. Write three questions that it would be a full and direct answer to. If it evades, write the \
questions that it really answers."""

CONVERSATION = """\
You check a conversation. For each numbered item, a reply of the assistant with what was said before it, decide \
whether the reply is relevant to that."""


@dataclass(frozen=True, slots=True)
class AnswersQuery:
    """Holds if the questions that the reply would answer are near to the one that was asked: their mean cosine.

    After Es et al., "RAGAS: Automated Evaluation of Retrieval Augmented Generation" (2023).
    """

    judge: Judge
    embedder: Embedder
    threshold: float

    async def score(self, attempt: Attempt) -> Verdict:
        """Asks the judge for questions, and compares them with the query."""
        reply, query = reply_of(attempt).text, query_of(attempt)
        if not reply.strip():
            return fails("the reply is empty")
        schema = object_schema(questions={"type": "array", "items": {"type": "string"}})
        question = Question(QUESTIONS, {"answer": reply}, '{"questions": ["...?", "...?", "...?"]}', schema)
        asked = read_strings(await self.judge.ask(question), "questions")
        wanted = await self.embedder.embed(query)
        near = [cosine(wanted, await self.embedder.embed(text)) for text in asked]
        score = sum(near) / len(near)
        nearest = excerpt(asked[near.index(max(near))], width=60)
        reason = f"mean cosine {score:.3f} to the query (threshold {self.threshold:g}); the nearest question: {nearest}"
        return verdict(passed=score >= self.threshold, score=score, reason=reason)


@dataclass(frozen=True, slots=True)
class StaysRelevant:
    """Holds if enough of the assistant's messages, the reply included, are relevant to what was said before them."""

    judge: Judge
    window: int
    threshold: float

    async def score(self, attempt: Attempt) -> Verdict:
        """Asks the judge about every message of the assistant that has a text."""
        said = [*dialogue_of(attempt), Message("assistant", reply_of(attempt).text)]
        spoken = [at for at, one in enumerate(said) if one.role == "assistant" and one.content.strip()]
        if not spoken:
            return fails("the assistant said nothing")
        items: list[Json] = [
            {"before": [shown(one) for one in said[max(0, at - self.window) : at]], "reply": said[at].content}
            for at in spoken
        ]
        share = await share_of(self.judge, CONVERSATION, {}, items, "relevant")
        return judged(share, [said[at].content for at in spoken], "relevant", self.threshold)


def open_answer_relevance(assertion: Assertion, graders: Graders) -> AnswersQuery:
    """The scorer of an `answer-relevance`."""
    judge, embedder = open_judge(assertion, graders), open_embedder(assertion, graders, own=None)
    return AnswersQuery(judge, embedder, read_share(assertion, default=THRESHOLD))


def open_conversation_relevance(assertion: Assertion, graders: Graders) -> StaysRelevant:
    """The scorer of a `conversation-relevance`."""
    threshold = read_share(assertion, default=THRESHOLD)
    return StaysRelevant(open_judge(assertion, graders), 5, threshold)
