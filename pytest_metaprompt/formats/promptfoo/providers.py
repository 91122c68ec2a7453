"""The providers of a config as models, with what promptfoo sends to them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from pytest_metaprompt.errors import MetapromptError, Place
from pytest_metaprompt.files import FILE_PREFIX, read_text
from pytest_metaprompt.formats.marked import Marked, read_marked
from pytest_metaprompt.formats.promptfoo.document import Fields, env_texts, fields_of, read_nodes
from pytest_metaprompt.formats.promptfoo.files import Folder
from pytest_metaprompt.formats.promptfoo.gathering import gathered
from pytest_metaprompt.python_files import split_reference
from pytest_metaprompt.suites import Json, ModelSpec

SUPPORTED = "openai:chat:<model>, openai:<model>, echo, file://provider.py:function, python:provider.py, exec:command"
FROM_FILE = "x-from-file"
"""Marks a response format that came from a file: promptfoo does not read the reply as JSON then."""
_NOT_CHAT = ("completion", "embedding", "embeddings", "image", "realtime", "moderation", "assistant", "responses")
_CONNECTION = ("apiKey", "apiKeyEnvar", "apiHost", "apiBaseUrl")
_PASSED = [
    "temperature",
    "max_tokens",
    "max_completion_tokens",
    "top_p",
    "frequency_penalty",
    "presence_penalty",
    "seed",
    "stop",
    "tools",
    "tool_choice",
    "functions",
    "function_call",
    "response_format",
    "reasoning_effort",
    "verbosity",
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "n",
    "user",
    "store",
    "metadata",
    "parallel_tool_calls",
    "service_tier",
]
_WITHOUT_EFFECT = ("omitDefaults", "passthrough", "showThinking", "maxRetries", "cost", "basePath")
_REASONING = ("o1", "o3", "o4", "gpt-5")


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider: the model behind it, what it is known by, and which prompts it is for."""

    spec: ModelSpec
    id: str
    label: str | None = None
    prompts: tuple[str, ...] | None = None
    transform: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0

    @property
    def name(self) -> str:
        """Its label, or else its id."""
        return self.label or self.id

    def matches(self, pattern: str) -> bool:
        """Whether a filter of a test names it; `*` stands for anything."""
        return any(
            name == pattern or ("*" in pattern and fnmatchcase(name, pattern.replace("[", "[[]")))
            for name in (self.label, self.id)
            if name is not None
        )


def read_providers(top: Fields, folder: Folder) -> tuple[Provider, ...]:
    """The providers, or targets, of a config.

    Raises:
        MetapromptError: There is none, or one is not supported.
    """
    key = "targets" if top.has("targets") else "providers"
    if top.has("targets") and top.has("providers"):
        raise MetapromptError("there are providers and targets", where=top.place("targets"), hint="keep one of them")
    if not top.has(key):
        raise MetapromptError("the config names no providers", where=top.where, hint=f"supported: {SUPPORTED}")
    env = env_texts(top.entries.get("env"))
    reader = _Reader(folder, env)
    return gathered(top.nodes(key), lambda node: reader.read(node, top.where.path))


def read_provider(node: Marked, shown: str, folder: Folder, env: Mapping[str, str]) -> Provider:
    """A single provider, such as the one of a test."""
    return _Reader(folder, env).read(node, shown)[0]


@dataclass(frozen=True, slots=True)
class _Reader:
    folder: Folder
    env: Mapping[str, str]

    def read(self, node: Marked, shown: str) -> tuple[Provider, ...]:
        where = Place(shown, node.line)
        if isinstance(node.value, str):
            if node.value.startswith(FILE_PREFIX) and node.value.endswith((".yaml", ".yml", ".json")):
                return self._from_file(node.value.removeprefix(FILE_PREFIX), where)
            return (self._named(node.value, Fields({}, where, node.value)),)
        fields = fields_of(node, shown, "a provider")
        if fields.has("id"):
            return (self._named(fields.text("id") or "", fields),)
        if len(fields.entries) == 1:
            (name, options), *_ = fields.entries.items()
            inner = fields_of(options, shown, name) if options.value is not None else Fields({}, where, name)
            return (self._named(fields.fields(name).text("id") or name, inner),)
        raise MetapromptError("a provider needs an id", where=where, hint=f"supported: {SUPPORTED}")

    def _from_file(self, name: str, where: Place) -> tuple[Provider, ...]:
        path = self.folder.find(name, what="the providers' file", where=where)
        shown = self.folder.shown(path)
        node = read_nodes(path, shown)
        items = node.items() if isinstance(node.value, tuple) else (node,)
        return tuple(provider for item in items for provider in self.read(item, shown))

    def _named(self, name: str, fields: Fields) -> Provider:
        env = {**self.env, **env_texts(fields.entries.get("env"))}
        delay = fields.number("delay") or 0
        return Provider(
            spec=self._spec(name, fields, env),
            id=name,
            label=fields.text("label"),
            prompts=fields.texts("prompts"),
            transform=fields.text("transform"),
            env=env,
            delay_s=delay / 1000,
        )

    def _spec(self, name: str, fields: Fields, env: Mapping[str, str]) -> ModelSpec:
        if name == "echo":
            return ModelSpec("echo", "")
        if name.startswith("openai:"):
            return self._openai(name, fields, env)
        if name.startswith("exec:"):
            params = {**self._local(fields), "env": dict(env)}
            return ModelSpec("exec", name.removeprefix("exec:").strip(), params)
        reference = split_reference(name.removeprefix("python:").removeprefix(FILE_PREFIX), default="call_api")
        if name.startswith(("python:", FILE_PREFIX)) and reference is not None:
            path = self.folder.find(reference[0], what="the provider's file", where=fields.where)
            return ModelSpec("promptfoo-python", f"{path}:{reference[1]}", self._local(fields))
        raise MetapromptError(
            f"the provider {name!r} is not supported", where=fields.where, hint=f"supported: {SUPPORTED}"
        )

    def _local(self, fields: Fields) -> dict[str, Json]:
        """What a program or a function of the user's is told."""
        return {"config": {**fields.mapping("config"), "basePath": str(self.folder.path)}}

    def _openai(self, name: str, fields: Fields, env: Mapping[str, str]) -> ModelSpec:
        kind, _, rest = name.removeprefix("openai:").partition(":")
        model = rest if kind == "chat" else name.removeprefix("openai:")
        if kind in _NOT_CHAT or not model:
            hint = f"supported: {SUPPORTED}"
            raise MetapromptError(f"the provider {name!r} is not supported", where=fields.where, hint=hint)
        config = fields.fields("config")
        known = (*_CONNECTION, *_PASSED, *_WITHOUT_EFFECT)
        for key in config.entries:
            if key not in known:
                where = config.place(key)
                raise MetapromptError(f"{key!r} in the config of {name} is not supported", where=where)
        return ModelSpec(
            "openai",
            model,
            self._params(model, config, env),
            base_url=_base_url(config, env),
            api_key_env=config.text("apiKeyEnvar"),
            api_key=config.text("apiKey") or env.get("OPENAI_API_KEY"),
        )

    def _params(self, model: str, config: Fields, env: Mapping[str, str]) -> dict[str, Json]:
        given = {**os.environ, **env}
        params: dict[str, Json] = {}
        if not config.flag("omitDefaults") and not model.startswith(_REASONING):
            params["temperature"] = float(given.get("OPENAI_TEMPERATURE", "0"))
            params["max_tokens"] = int(given.get("OPENAI_MAX_TOKENS", "1024"))
        for key in _PASSED:
            if config.has(key):
                params[key] = read_param(config.plain(key), self.folder, config.place(key))
        if "max_completion_tokens" in params:
            params.pop("max_tokens", None)
        return {**params, **config.mapping("passthrough")}


def read_param(value: Json, folder: Folder, where: Place) -> Json:
    """A parameter, from its file where it names one; a mapping from a file is marked by `FROM_FILE`."""
    if not isinstance(value, str) or not value.startswith(FILE_PREFIX):
        return value
    path = folder.find(value.removeprefix(FILE_PREFIX), what="the file", where=where)
    if path.suffix not in _PARSERS:
        raise MetapromptError(f"{path.name} must be JSON or YAML", where=where)
    read = _PARSERS[path.suffix](path, folder.shown(path))
    return {**read, FROM_FILE: True} if isinstance(read, Mapping) else read


def _parse_json(path: Path, shown: str) -> Json:
    try:
        parsed: Json = json.loads(read_text(path).text)
    except ValueError as error:
        raise MetapromptError(f"not valid JSON: {error}", where=Place(shown)) from None
    return parsed


def _parse_yaml(path: Path, shown: str) -> Json:
    return read_marked(read_text(path).text, shown).root.plain()


_PARSERS: Mapping[str, Callable[[Path, str], Json]] = {
    ".json": _parse_json,
    ".yaml": _parse_yaml,
    ".yml": _parse_yaml,
}


def _base_url(config: Fields, env: Mapping[str, str]) -> str | None:
    host = config.text("apiHost")
    return config.text("apiBaseUrl") or (f"https://{host}/v1" if host else None) or env.get("OPENAI_BASE_URL")
