"""What is asked of a provider beside the prompt."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_metaprompt.columns.chat import WHOLE, chat_messages
from pytest_metaprompt.columns.rendering import Rendered, Situation, env_of, provider_id, render_texts
from pytest_metaprompt.formats.promptfoo.providers import FROM_FILE
from pytest_metaprompt.results import Request
from pytest_metaprompt.suites import Json, ModelSpec


def build_request(rendered: Rendered, situation: Situation) -> Request:
    """The request for a rendered prompt. Parameters of the test go over those of the prompt, and these over the
    provider's; texts in them are templates.

    Raises:
        RoutineError: The prompt is JSON and no list of messages.
    """
    spec, column, test = situation.target, situation.column, situation.test
    messages = chat_messages(rendered.prompt, provider=spec.provider)
    config = {**column.config, **rendered.config, **test.config}
    if spec.provider in WHOLE:
        return Request(spec, messages, _context(rendered, situation, config), sample=situation.sample)
    values = {**rendered.vars, "env": env_of(column)}
    params = {**_templates(spec), **config}
    rendered_params = {key: _unmarked(render_texts(value, values)) for key, value in params.items()}
    return Request(spec, messages, rendered_params, sample=situation.sample)


def parses_reply(situation: Situation, rendered: Rendered) -> bool:
    """Whether the reply is read as JSON: where the schema of its format stands in the config, not in a file."""
    if situation.target.provider in WHOLE:
        return False
    found = {**situation.target.params, **situation.column.config, **rendered.config, **situation.test.config}
    form = found.get("response_format")
    return isinstance(form, Mapping) and form.get("type") == "json_schema" and FROM_FILE not in form


def _templates(spec: ModelSpec) -> dict[str, Json]:
    """The provider's own parameters that cannot be sent as they are."""
    return {key: value for key, value in spec.params.items() if "{{" in str(value) or FROM_FILE in str(value)}


def _unmarked(value: Json) -> Json:
    return {key: child for key, child in value.items() if key != FROM_FILE} if isinstance(value, Mapping) else value


def _context(rendered: Rendered, situation: Situation, config: Mapping[str, Json]) -> dict[str, Json]:
    """What a function or a program of the user's is told; `echo` does not listen."""
    if situation.target.provider == "echo":
        return {}
    prompt: dict[str, Json] = {"raw": rendered.prompt, "label": situation.column.prompt, "config": dict(config)}
    values, metadata = dict(rendered.vars), dict(situation.test.metadata)
    test: dict[str, Json] = {"vars": values, "metadata": metadata}
    return {"context": {"vars": values, "prompt": prompt, "test": test}, "id": provider_id(situation.target)}
