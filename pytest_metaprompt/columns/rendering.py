"""From a prompt and a test to the text that the provider is asked."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pytest_metaprompt.columns.variables import load_variables, resolve_variables
from pytest_metaprompt.errors import RoutineError
from pytest_metaprompt.files import FILE_PREFIX, read_text
from pytest_metaprompt.formats.records import parse_yaml
from pytest_metaprompt.js_values import js_json, js_value
from pytest_metaprompt.nunjucks import NunjucksError, names_unknown, render_leniently, render_nunjucks, shows_name
from pytest_metaprompt.programs import run_program
from pytest_metaprompt.python_files import call_function, split_reference
from pytest_metaprompt.routines import Routine
from pytest_metaprompt.suites import Case, Column, ColumnTest, Json, ModelSpec

CONVERSATION = "_conversation"


@dataclass(frozen=True, slots=True)
class Rendered:
    """A prompt as the provider gets it, the vars behind it, and what a prompt function adds to the request."""

    prompt: str
    vars: Mapping[str, Json]
    config: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Situation:
    """What a prompt is rendered for."""

    column: Column
    case: Case
    target: ModelSpec
    sample: int = 0

    @property
    def test(self) -> ColumnTest:
        """What the test says beside its vars and assertions."""
        return self.case.column_test or ColumnTest()


def render_column(routine: Routine, situation: Situation, values: Mapping[str, Json]) -> Rendered:
    """The prompt for a test whose vars are `values`. A prompt that is JSON is rendered text by text and stays JSON.

    Raises:
        MetapromptError: A file, a function, a script or a template in it does not work.
    """
    column, test = situation.column, situation.test
    raw = test.prefix + _raw(routine, column) + test.suffix
    loaded = load_variables(js_object(values), folder=column.folder, prompt=raw)
    config: Mapping[str, Json] = {}
    if column.function is not None or column.command is not None:
        raw, config = _generated(situation, loaded)
    resolved = resolve_variables(loaded)
    given = {**resolved, "env": env_of(column)}
    return Rendered(_as_json(raw, given) or _as_text(raw, given), resolved, config)


def js_object(values: Mapping[str, Json]) -> dict[str, Json]:
    """The values with every number as JavaScript holds it."""
    return {name: js_value(value) for name, value in values.items()}


def env_of(column: Column) -> dict[str, Json]:
    """What `{{env.X}}` may name: the environment, and what the config sets in it."""
    return {**os.environ, **column.env}


def sees_conversation(routine: Routine, test: ColumnTest) -> bool:
    """Whether the prompt shows what was said before."""
    return test.sees_conversation and shows_name(routine.text, CONVERSATION)


def _raw(routine: Routine, column: Column) -> str:
    """The prompt as promptfoo holds it: a list of messages is JSON, with the texts of files in it."""
    if column.function is not None or column.command is not None or routine.form not in _MESSAGES:
        return routine.text
    parsed = (
        json.loads(routine.text) if routine.form == "messages-json" else parse_yaml(routine.text, shown=routine.name)
    )
    return js_json(_with_files(parsed, column))


_MESSAGES = ("messages-json", "messages-yaml")


def _with_files(value: Json, column: Column) -> Json:
    if isinstance(value, Mapping):
        return {key: _with_files(child, column) for key, child in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_with_files(child, column) for child in value]
    if isinstance(value, str) and value.startswith(FILE_PREFIX):
        return read_text(column.folder / value.removeprefix(FILE_PREFIX)).text.strip()
    return value


def _as_json(raw: str, values: Mapping[str, Json]) -> str | None:
    """The prompt rendered inside its texts; None if it is no JSON."""
    try:
        parsed = json.loads(raw, parse_constant=_refuse_constant)
        return js_json(render_texts(js_value(parsed), values), indent=2)
    except (ValueError, RecursionError, NunjucksError):
        return None


def render_texts(value: Json, values: Mapping[str, Json]) -> Json:
    """The value with every text in it rendered."""
    if isinstance(value, Mapping):
        return {key: render_texts(child, values) for key, child in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [render_texts(child, values) for child in value]
    return render_nunjucks(value, values) if isinstance(value, str) else value


def _as_text(raw: str, values: Mapping[str, Json]) -> str:
    return render_leniently(raw, rendered_vars(values))


def rendered_vars(values: Mapping[str, Json]) -> dict[str, Json]:
    """The vars as a prompt that is a text sees them: rendered themselves, unless one asks for what is not there.

    Raises:
        NunjucksError: One of them is no template.
    """
    rendered: dict[str, Json] = {}
    for name, value in values.items():
        is_template = isinstance(value, str) and not names_unknown(value, values)
        rendered[name] = render_leniently(value, values) if is_template and isinstance(value, str) else value
    return rendered


def _refuse_constant(name: str) -> Json:
    raise ValueError(name)


def _generated(situation: Situation, values: Mapping[str, Json]) -> tuple[str, Mapping[str, Json]]:
    column, spec = situation.column, situation.target
    step = f"test-{situation.case.id}-repeat-{situation.sample}"
    seen = {**values, "__evalId": "metaprompt", "__evalStepId": step, "__repeatIndex": situation.sample}
    context: dict[str, Json] = {"vars": seen, "provider": {"id": provider_id(spec), "label": column.provider}}
    context["config"] = dict(column.config)
    if column.command is not None:
        return run_program(column.command, [js_json(context)], folder=column.folder, env=column.env), {}
    reference = split_reference(column.function or "", default="get_prompt")
    if reference is None:
        raise RoutineError(f"{column.function} is no Python file")
    return _prompt_of(call_function(column.folder / reference[0], reference[1], context), column)


def _prompt_of(result: object, column: Column) -> tuple[str, Mapping[str, Json]]:
    if isinstance(result, str):
        return result, {}
    try:
        value: Json = json.loads(json.dumps(result))
    except (TypeError, ValueError):
        value = None
    if isinstance(value, Mapping) and "prompt" in value:
        config = value.get("config")
        prompt = value["prompt"]
        return prompt if isinstance(prompt, str) else js_json(prompt), config if isinstance(config, Mapping) else {}
    if isinstance(value, Mapping | list):
        return js_json(value), {}
    raise RoutineError(f"{column.function} returned {type(result).__name__}, not a text or a list of messages")


def provider_id(spec: ModelSpec) -> str:
    """The provider as promptfoo calls it."""
    return {"echo": "echo", "openai": f"openai:chat:{spec.name}"}.get(spec.provider, f"{spec.provider}:{spec.name}")
