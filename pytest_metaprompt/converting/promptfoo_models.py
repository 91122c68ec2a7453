"""The target of a suite, out of a promptfoo config: its first provider that a suite can have, asked as it is there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pytest_metaprompt.converting.drafts import Draft, as_mapping, as_str
from pytest_metaprompt.errors import MetapromptError
from pytest_metaprompt.files import FILE_PREFIX
from pytest_metaprompt.formats.marked import Marked
from pytest_metaprompt.formats.promptfoo.document import Fields, env_texts
from pytest_metaprompt.formats.promptfoo.files import Folder
from pytest_metaprompt.formats.promptfoo.providers import FROM_FILE, Provider, read_provider
from pytest_metaprompt.suites import Json

_PROVIDERS = ("openai", "openai-responses", "echo")


def first_target(draft: Draft, top: Fields, folder: Folder, *, config: Mapping[str, Json]) -> Provider | None:
    """The provider whose model is the draft's target from now on; the others are noted as left out. `config` is what
    the prompt adds to its parameters."""
    found: Provider | None = None
    for node in top.nodes("targets" if top.has("targets") else "providers"):
        provider = _read(draft, node, top, folder)
        if provider is not None and found is None:
            found = provider
            draft.target = _target(draft, provider, node, folder, config)
        elif provider is not None:
            draft.leave_out(f"provider {provider.name}", "a suite has one target")
    return found


def _read(draft: Draft, node: Marked, top: Fields, folder: Folder) -> Provider | None:
    name = _name(node)
    try:
        provider = read_provider(node, top.where.path, folder, env_texts(top.entries.get("env")))
    except MetapromptError as error:
        why = error.message if name.startswith("openai:") else "it is no model of a suite"
        draft.leave_out(f"provider {name}", why)
        return None
    if provider.spec.provider not in _PROVIDERS:
        draft.leave_out(f"provider {name}", "it is no model of a suite")
        return None
    return provider


def _name(node: Marked) -> str:
    if isinstance(node.value, dict):
        identity = node.value.get("id")
        return str(identity.plain() if identity is not None else next(iter(node.value), ""))
    return str(node.plain())


def _target(draft: Draft, provider: Provider, node: Marked, folder: Folder, config: Mapping[str, Json]) -> Json:
    spec = provider.spec
    if provider.transform is not None:
        draft.leave_out(f"provider {provider.name}: transform", "a suite's assertions have a transform each")
    if spec.api_key is not None:
        draft.leave_out("apiKey", "a key does not belong into a suite: put it into an environment variable")
    params = {key: _unmarked(value) for key, value in {**spec.params, **config}.items()}
    if (tools := _tools_file(node)) is not None:
        params["tools"] = Path(os.path.relpath(folder.path / tools, draft.source.folder)).as_posix()
    model = f"{spec.provider}:{spec.name}"
    settings = {"base_url": spec.base_url, "api_key_env": spec.api_key_env}
    given = {**params, **{key: value for key, value in settings.items() if value is not None}}
    return {"model": model, **given} if given else model


def _tools_file(node: Marked) -> str | None:
    """The file that `config.tools` names."""
    written = as_mapping(node.plain())
    if "id" not in written and len(written) == 1:
        (inner,) = written.values()
        written = as_mapping(inner)
    tools = as_str(as_mapping(written.get("config")).get("tools"))
    return None if tools is None else tools.removeprefix(FILE_PREFIX)


def _unmarked(value: Json) -> Json:
    return {key: child for key, child in value.items() if key != FROM_FILE} if isinstance(value, Mapping) else value
