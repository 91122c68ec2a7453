"""Who grades the assertions that need a judge: the assertion's own provider, or the one of the test's options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pytest_metaprompt.errors import MetapromptError
from pytest_metaprompt.formats.marked import Marked, marked
from pytest_metaprompt.formats.promptfoo.document import Fields
from pytest_metaprompt.formats.promptfoo.files import Folder
from pytest_metaprompt.formats.promptfoo.providers import read_provider
from pytest_metaprompt.suites import Assertion, Json, ModelSpec

_GRADED = frozenset(
    [
        "answer-relevance",
        "context-faithfulness",
        "context-recall",
        "context-relevance",
        "conversation-relevance",
        "factuality",
        "g-eval",
        "llm-rubric",
        "model-graded-closedqa",
        "model-graded-factuality",
    ]
)
_SIMILAR = "similar"
_EMBEDDING = ("openai:embedding:", "openai:embeddings:")
_BY_TYPE = ("text", "embedding", "classification", "moderation")


@dataclass(frozen=True, slots=True)
class GraderOptions:
    """Puts a test's graders into its assertions, in the form that a native suite has them."""

    options: Fields
    folder: Folder
    env: Mapping[str, str]

    def given(self, assertion: Assertion) -> Assertion:
        """The assertion with the model that grades it, and with the options that change how."""
        children = tuple(self.given(child) for child in assertion.children)
        kind = assertion.kind
        settings = {key: value for key, value in assertion.settings.items() if key != "provider"}
        if kind in _GRADED and self.options.has("rubricPrompt"):
            settings.setdefault("rubricPrompt", self.options.plain("rubricPrompt"))
        if "factuality" in kind and self.options.has("factuality"):
            settings.setdefault("factuality", self.options.plain("factuality"))
        node = _own_of(assertion) or self._of_test(kind)
        if node is not None and (kind in _GRADED or kind.startswith(_SIMILAR)):
            settings["provider"] = self._as_model(node)
        return replace(assertion, settings=settings, children=children)

    def _of_test(self, kind: str) -> Marked | None:
        node = self.options.entries.get("provider")
        if node is None or not isinstance(node.value, dict) or not set(node.value) <= set(_BY_TYPE):
            return node
        return node.value.get("embedding" if kind.startswith(_SIMILAR) else "text")

    def _as_model(self, node: Marked) -> Json:
        text = node.value if isinstance(node.value, str) else ""
        for prefix in _EMBEDDING:
            if text.startswith(prefix):
                return f"openai:{text.removeprefix(prefix)}"
        return _native(read_provider(node, self.options.where.path, self.folder, self.env).spec, node, self.options)


def _own_of(assertion: Assertion) -> Marked | None:
    own = assertion.settings.get("provider")
    line = assertion.where.line if assertion.where is not None else None
    return None if own is None else marked(own, line or 1)


def _native(spec: ModelSpec, node: Marked, options: Fields) -> Json:
    if spec.provider not in ("openai", "echo"):
        where = replace(options.where, line=node.line)
        raise MetapromptError(f"{spec} cannot grade", where=where, hint="name an openai: model, or --metaprompt-judge")
    # Judges are asked with parameters of our own unless the config sets some.
    params = {key: value for key, value in spec.params.items() if (key, value) not in _DEFAULTS}
    if not params and spec.base_url is None:
        return f"{spec.provider}:{spec.name}"
    return {"model": f"{spec.provider}:{spec.name}", **params, **({"base_url": spec.base_url} if spec.base_url else {})}


_DEFAULTS = (("temperature", 0.0), ("max_tokens", 1024))
