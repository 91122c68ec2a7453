"""`g-eval`: the judge first writes evaluation steps for a criterion, then grades by them from 0 to 10.

After Liu et al., "G-Eval: NLG Evaluation using GPT-4 with Better Human Alignment" (2023), without token probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass

from pytest_metaprompt.protocols import Graders
from pytest_metaprompt.results import Attempt, Verdict
from pytest_metaprompt.scorers.grading import Judge, Question, open_judge
from pytest_metaprompt.scorers.judgement import (
    REASON,
    graded_data,
    object_schema,
    read_reason,
    read_score,
    read_share,
    read_strings,
    verdict,
)
from pytest_metaprompt.scorers.values import read_one_or_more
from pytest_metaprompt.suites import Assertion, Json

THRESHOLD = 0.7

STEPS = """\
You prepare the grading of replies. Write 3 or 4 short steps by which a grader decides how well a reply meets the \
criterion."""

GRADE = """\
You grade a reply. Follow the evaluation steps and give a whole number from 0 (the criterion is not met at all) to 10 \
(it is met entirely)."""


@dataclass(frozen=True, slots=True)
class BySteps:
    """Holds if the mean grade over the criteria, as a share of 10, reaches the threshold."""

    judge: Judge
    criteria: tuple[str, ...]
    threshold: float

    async def score(self, attempt: Attempt) -> Verdict:
        """Asks the judge twice for each criterion."""
        graded = [await self._grade(criterion, attempt) for criterion in self.criteria]
        score = sum(share for share, _ in graded) / len(graded)
        said = "; ".join(reason for _, reason in graded)
        reason = f"{said} (score {score:.2g}, threshold {self.threshold:g})"
        return verdict(passed=score >= self.threshold, score=score, reason=reason)

    async def _grade(self, criterion: str, attempt: Attempt) -> tuple[float, str]:
        form = '{"steps": ["...", "...", "..."]}'
        schema = object_schema(steps={"type": "array", "items": {"type": "string"}})
        answer = await self.judge.ask(Question(STEPS, {"criterion": criterion}, form, schema))
        sections: dict[str, Json] = {
            "criterion": criterion,
            "evaluation steps": list(read_strings(answer, "steps")),
            **graded_data(attempt),
        }
        form = '{"reason": "what decides it", "score": 0 to 10}'
        schema = object_schema(reason=REASON, score={"type": "number", "minimum": 0, "maximum": 10})
        grade = await self.judge.ask(Question(GRADE, sections, form, schema))
        return read_score(grade, "score", most=10) / 10, read_reason(grade)


def open_g_eval(assertion: Assertion, graders: Graders) -> BySteps:
    """The scorer of a `g-eval`; `value` is a criterion or a list of them."""
    return BySteps(
        open_judge(assertion, graders), read_one_or_more(assertion), read_share(assertion, default=THRESHOLD)
    )
