"""Every type of assertion that asks a model of its own: a judge, or one that makes embeddings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pytest_metaprompt.protocols import Graders, Scorer
from pytest_metaprompt.scorers.context import open_context_faithfulness, open_context_recall, open_context_relevance
from pytest_metaprompt.scorers.g_eval import open_g_eval
from pytest_metaprompt.scorers.model_graded import open_closed_qa, open_factuality, open_llm_rubric
from pytest_metaprompt.scorers.relevance import open_answer_relevance, open_conversation_relevance
from pytest_metaprompt.scorers.similar import SIMILAR, open_similar
from pytest_metaprompt.suites import Assertion


@dataclass(frozen=True, slots=True)
class GradedFamily:
    """How a type that asks a model is opened, and the settings it has of its own; each looks at a threshold."""

    opened: Callable[[Assertion, Graders], Scorer]
    settings: tuple[str, ...] = ("provider",)


GRADED_FAMILIES: Mapping[str, GradedFamily] = {
    "llm-rubric": GradedFamily(open_llm_rubric),
    "factuality": GradedFamily(open_factuality, ("provider", "factuality")),
    "model-graded-factuality": GradedFamily(open_factuality, ("provider", "factuality")),
    "model-graded-closedqa": GradedFamily(open_closed_qa),
    "g-eval": GradedFamily(open_g_eval),
    "answer-relevance": GradedFamily(open_answer_relevance),
    "conversation-relevance": GradedFamily(open_conversation_relevance),
    "context-recall": GradedFamily(open_context_recall),
    "context-relevance": GradedFamily(open_context_relevance),
    "context-faithfulness": GradedFamily(open_context_faithfulness),
    **dict.fromkeys(SIMILAR, GradedFamily(open_similar)),
}
