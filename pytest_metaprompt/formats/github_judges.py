"""The evaluators of GitHub's prompt files that ask a model, as rubrics for a judge of ours.

Their own prompts and scales are in https://github.com/github/gh-models, `cmd/eval`; a choice with a score above 0
passes there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_metaprompt.suites import Json

JUDGE = "github:openai/gpt-4o"
"""Whom the built-in evaluators ask."""

_PREFIX = "github/"
_RUBRICS: Mapping[str, str] = {
    "similarity": "The reply means the same as this right answer: {{expected}}",
    "coherence": "The reply is coherent: its ideas follow from one another and answer the question.",
    "fluency": "The reply is fluent: well-formed sentences, correct grammar, the right words.",
    "relevance": "The reply is relevant: it addresses the question and leaves out nothing that matters to it.",
    "groundedness": "The reply is grounded: everything that it claims is supported by what it was given.",
}
BUILT_IN = tuple(f"{_PREFIX}{name}" for name in _RUBRICS)
"""What `uses` may name."""


@dataclass(frozen=True, slots=True)
class Rubric:
    """What a judge is asked, a text with `{{name}}`, and which model is asked. `instead_of` is what it stands for."""

    text: str
    judge: str
    instead_of: str


def rubric_of(evaluator: Mapping[str, Json]) -> Rubric | None:
    """The rubric of an evaluator; None where it asks no model, or one that is not known."""
    if "string" in evaluator:
        return None
    llm = evaluator.get("llm")
    if isinstance(llm, Mapping):
        return _of_choices(llm)
    name = str(evaluator.get("uses") or "").removeprefix(_PREFIX)
    return Rubric(_RUBRICS[name], JUDGE, "its scale of five stars") if name in _RUBRICS else None


def _of_choices(llm: Mapping[str, Json]) -> Rubric | None:
    prompt, model, choices = llm.get("prompt"), llm.get("modelId"), llm.get("choices")
    listed = choices if isinstance(choices, Sequence) and not isinstance(choices, str) else ()
    passing = [str(one.get("choice")) for one in listed if isinstance(one, Mapping) and _passes(one.get("score"))]
    text = (prompt if isinstance(prompt, str) else "").replace("{{completion}}", "(the reply)").strip()
    if not text:
        return None
    text += f"\n\nPass if the answer would be: {', '.join(passing)}." if passing else ""
    return Rubric(text, f"github:{model}" if isinstance(model, str) and model else JUDGE, "its choices")


def _passes(score: Json) -> bool:
    return isinstance(score, int | float) and not isinstance(score, bool) and score > 0
