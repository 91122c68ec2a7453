"""The assertions that prompt testers know from promptfoo and that are not to be had here, each with the reason."""

from __future__ import annotations

from collections.abc import Mapping

_SERVICE = "it needs a service beside the model"
_TRACE = "it needs OpenTelemetry traces"
_GRADER = "its judge needs tools"

_REASONS: Mapping[str, str] = {
    "agent-rubric": _GRADER,
    "bertscore": "it needs a model of its own",
    "classifier": _SERVICE,
    "contains-sql": "it needs a parser for each SQL dialect",
    "guardrails": "it needs a provider that says which guardrails it applied",
    "human": "nobody is there to judge",
    "is-sql": "it needs a parser for each SQL dialect",
    "max-score": "it compares several outputs of one case",
    "meteor": "it needs the WordNet data, which no package brings along",
    "moderation": _SERVICE,
    "pi": _SERVICE,
    "research-rubric": _GRADER,
    "ruby": "use python or javascript",
    "search-rubric": _GRADER,
    "select-best": "it compares several outputs of one case",
    "skill-used": _TRACE,
    "trace-error-spans": _TRACE,
    "trace-span-count": _TRACE,
    "trace-span-duration": _TRACE,
    "video-rubric": _GRADER,
}


def why_unsupported(kind: str) -> str | None:
    """Why there is no such assertion although promptfoo has it; None if promptfoo has none of this name either."""
    if kind.startswith(("promptfoo:", "redteam")):
        return "it attacks the model, which is not what these tests are for"
    if kind.startswith("trajectory:"):
        return _TRACE
    return _REASONS.get(kind)
