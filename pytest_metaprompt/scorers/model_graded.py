"""`llm-rubric`, `model-graded-closedqa` and `factuality`: one question to a judge, one verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytest_metaprompt.errors import ScorerError, did_you_mean
from pytest_metaprompt.protocols import Graders
from pytest_metaprompt.results import Attempt, Verdict
from pytest_metaprompt.scorers.excerpts import excerpt_json
from pytest_metaprompt.scorers.grading import Judge, Question, open_judge
from pytest_metaprompt.scorers.judgement import (
    PASS,
    REASON,
    graded_data,
    object_schema,
    read_reason,
    read_score,
    read_share,
    read_truth,
    verdict,
)
from pytest_metaprompt.scorers.values import kind_of, problem, read_text_value
from pytest_metaprompt.suites import Assertion, Json

RUBRIC = """\
You grade a reply by a rubric. Decide whether the reply satisfies the whole rubric. Be strict: what the rubric asks \
for and the reply does not show is missing."""

CLOSED_QA = """\
You assess a reply to a task by one criterion. Decide whether the reply meets the criterion, and nothing else."""

FACTUALITY = """\
You compare the facts in a reply with those in an expert's answer. Ignore style, grammar and punctuation. Choose one \
category:
A: the reply is a subset of the expert's answer and agrees with it
B: the reply is a superset of the expert's answer and agrees with it
C: the reply has the same facts as the expert's answer
D: the reply disagrees with the expert's answer
E: the two differ, but not in their facts"""

CATEGORIES: Mapping[str, str] = {
    "A": "subset",
    "B": "superset",
    "C": "agree",
    "D": "disagree",
    "E": "differButFactual",
}
"""The names of the categories, as an assertion's `factuality` gives their scores. After the closed categories of
OpenAI Evals' `fact` template."""

_SCORE: Json = {"type": "number", "minimum": 0, "maximum": 1}


@dataclass(frozen=True, slots=True)
class ByRubric:
    """Holds if the judge says that the reply passes, and its score reaches the threshold where there is one."""

    judge: Judge
    rubric: str
    threshold: float | None

    async def score(self, attempt: Attempt) -> Verdict:
        """Asks the judge; a verdict without `pass` is an error."""
        form = '{"reason": "what decides it, in a sentence or two", "pass": true or false, "score": 0.0 to 1.0}'
        schema = object_schema(**{"reason": REASON, "pass": PASS, "score": _SCORE})
        sections: dict[str, Json] = {"rubric": self.rubric, **graded_data(attempt)}
        answer = await self.judge.ask(Question(RUBRIC, sections, form, schema))
        passed, reason = read_truth(answer, "pass"), read_reason(answer)
        if "score" not in answer and self.threshold is None:
            return verdict(passed=passed, score=float(passed), reason=reason)
        score = read_score(answer, "score", most=1)
        if self.threshold is not None:
            reason = f"{reason} (score {score:g}, threshold {self.threshold:g})"
        return verdict(passed=passed and score >= (self.threshold or 0), score=score, reason=reason)


@dataclass(frozen=True, slots=True)
class ByCriterion:
    """Holds if the judge says that the reply meets the criterion."""

    judge: Judge
    criterion: str

    async def score(self, attempt: Attempt) -> Verdict:
        """Asks the judge; a verdict without `pass` is an error."""
        form = '{"reason": "what decides it", "pass": true or false}'
        sections: dict[str, Json] = {"criterion": self.criterion, **graded_data(attempt)}
        schema = object_schema(**{"reason": REASON, "pass": PASS})
        answer = await self.judge.ask(Question(CLOSED_QA, sections, form, schema))
        passed = read_truth(answer, "pass")
        return verdict(passed=passed, score=float(passed), reason=read_reason(answer))


@dataclass(frozen=True, slots=True)
class ByFacts:
    """Holds if the score of the judge's category is above 0, or reaches the threshold where there is one."""

    judge: Judge
    expert: str
    scores: Mapping[str, float]
    threshold: float | None

    async def score(self, attempt: Attempt) -> Verdict:
        """Asks the judge; a category that is none is an error."""
        form = '{"reason": "what agrees and what does not", "category": "A, B, C, D or E"}'
        category: Json = {"type": "string", "enum": list(CATEGORIES)}
        sections: dict[str, Json] = {"expert's answer": self.expert, **graded_data(attempt)}
        schema = object_schema(reason=REASON, category=category)
        answer = await self.judge.ask(Question(FACTUALITY, sections, form, schema))
        chosen = answer.get("category")
        if not isinstance(chosen, str) or chosen not in CATEGORIES:
            raise ScorerError(f"the judge's verdict is malformed: no category A to E in {excerpt_json(answer)}")
        score = self.scores[CATEGORIES[chosen]]
        passed = score > 0 if self.threshold is None else score >= self.threshold
        return verdict(passed=passed, score=score, reason=f"{CATEGORIES[chosen]} ({chosen}): {read_reason(answer)}")


def open_llm_rubric(assertion: Assertion, graders: Graders) -> ByRubric:
    """The scorer of an `llm-rubric`; `value` is the rubric."""
    return ByRubric(open_judge(assertion, graders), read_text_value(assertion), _own_threshold(assertion))


def open_closed_qa(assertion: Assertion, graders: Graders) -> ByCriterion:
    """The scorer of a `model-graded-closedqa`; `value` is the criterion."""
    return ByCriterion(open_judge(assertion, graders), read_text_value(assertion))


def open_factuality(assertion: Assertion, graders: Graders) -> ByFacts:
    """The scorer of a `factuality`; `value` is the expert's answer, `factuality` changes the categories' scores."""
    judge, expert = open_judge(assertion, graders), read_text_value(assertion)
    return ByFacts(judge, expert, _category_scores(assertion), _own_threshold(assertion))


def _own_threshold(assertion: Assertion) -> float | None:
    return None if assertion.threshold is None else read_share(assertion, default=1.0)


def _category_scores(assertion: Assertion) -> Mapping[str, float]:
    scores = {name: 0.0 if name == "disagree" else 1.0 for name in CATEGORIES.values()}
    own = assertion.settings.get("factuality", {})
    if not isinstance(own, Mapping):
        raise problem(assertion, f"factuality must be a mapping, not {kind_of(own)}")
    for name, score in own.items():
        if name not in scores:
            raise problem(assertion, f"unknown category {name!r}", hint=did_you_mean(name, scores))
        if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
            raise problem(assertion, f"the score of {name} must be a number from 0 to 1")
        scores[name] = float(score)
    return scores
