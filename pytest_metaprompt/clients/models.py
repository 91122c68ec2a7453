"""`provider:name`: read it, and open the client it names. Importing this loads no SDK."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_metaprompt.errors import MetapromptError, SetupError, did_you_mean
from pytest_metaprompt.protocols import Client
from pytest_metaprompt.suites import Json, ModelSpec

if TYPE_CHECKING:
    from pytest_metaprompt.clients.pace import Paces

EXAMPLES: Mapping[str, str] = {
    "openai": "openai:gpt-5-mini",
    "local": "local:smollm2-135m",
    "python": "python:package.module:callable",
    "echo": "echo:",
    "github": "github:openai/gpt-4o",
    "openai-responses": "openai-responses:gpt-5-mini",
}
"""One way to write a model for each provider."""

OpenAdded = Callable[[ModelSpec], Client]

_ADDED: dict[str, OpenAdded] = {}


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What the clients of a session share."""

    root: Path
    paces: Paces | None


def add_providers(openers: Mapping[str, OpenAdded]) -> Callable[[], None]:
    """Makes more providers known, to the whole process; what is returned takes that back.

    Raises:
        SetupError: A name is taken, or holds what cannot stand before a colon.
    """
    for name in openers:
        if name in EXAMPLES:
            raise SetupError(f"the provider {name!r} exists already, so a plugin cannot add it")
        if not name or ":" in name or name != "".join(name.split()):
            raise SetupError(f"{name!r} cannot be the name of a provider")
    before = dict(_ADDED)
    _ADDED.update(openers)

    def take_back() -> None:
        _ADDED.clear()
        _ADDED.update(before)

    return take_back


EMBEDDERS = ("openai", "python")
"""The providers whose models can give vectors."""

EMBEDDERS_HINT = "write openai:<model> or python:package.module:callable"


def parse_model(text: str) -> ModelSpec:
    """The model named by `provider:name`; the name is all that follows the first colon.

    Raises:
        MetapromptError: The colon is missing, the provider is not known, or the name is not what it needs.
    """
    provider, colon, name = (part.strip() for part in text.partition(":"))
    if not colon:
        raise MetapromptError(f"the model {text!r} names no provider", hint=_how_to_write())
    _check_provider(provider, text)
    if not name and provider != "echo" and provider not in _ADDED:
        raise MetapromptError(f"the model {text!r} has no name", hint=f"write it as {EXAMPLES[provider]}")
    if provider == "python" and not all(name.partition(":")):
        raise MetapromptError(f"the model {text!r} names no callable", hint=f"write it as {EXAMPLES[provider]}")
    return ModelSpec(provider, name)


def read_model(value: Json) -> ModelSpec:
    """The model that a setting names: `provider:name`, or a mapping of `model` and what goes with it.

    Raises:
        MetapromptError: It is neither, or `parse_model` refuses it.
    """
    if isinstance(value, str):
        return parse_model(value)
    name = value.get("model") if isinstance(value, Mapping) else None
    if not isinstance(value, Mapping) or not isinstance(name, str):
        raise MetapromptError("a model is a text or a mapping with a key model", hint=_how_to_write())
    base_url, key_name = value.get("base_url"), value.get("api_key_env")
    return replace(
        parse_model(name),
        params={key: item for key, item in value.items() if key not in ("model", "base_url", "api_key_env")},
        base_url=base_url if isinstance(base_url, str) else None,
        api_key_env=key_name if isinstance(key_name, str) else None,
    )


def open_client(spec: ModelSpec, *, root: Path, paces: Paces | None = None) -> Client:
    """The client for a model. Relative file paths and `python:` imports start from `root`.

    Clients with the same `paces` ask the same servers with one limit on calls at once.

    Raises:
        SetupError: A key, a package, a file or a callable that the model needs is missing.
        MetapromptError: The provider is not known.
    """
    if spec.provider not in _OPENERS:
        _check_provider(spec.provider, str(spec))
    if spec.provider in _ADDED:
        from pytest_metaprompt.clients.added import open_added

        return open_added(spec, _ADDED[spec.provider])
    return _OPENERS[spec.provider](spec, _Surroundings(root, paces))


def open_embedder(spec: ModelSpec, *, root: Path, paces: Paces | None = None) -> Client:
    """The client for an embedding model: its replies' texts are vectors as JSON lists.

    Raises:
        SetupError: As `open_client`; or models of this provider give no vectors.
    """
    if spec.provider == "openai":
        from pytest_metaprompt.clients.embeddings import EmbeddingsClient

        return EmbeddingsClient(spec, paces=paces)
    if spec.provider == "python":
        return open_client(spec, root=root, paces=paces)
    raise SetupError(f"{spec} gives no embeddings", hint=EMBEDDERS_HINT)


def _check_provider(provider: str, text: str) -> None:
    known = {*EXAMPLES, *_ADDED}
    if provider not in known:
        guess = did_you_mean(provider, known)
        hint = f"{guess}; {_how_to_write()}; the hook pytest_metaprompt_clients in a conftest.py adds providers"
        raise MetapromptError(f"unknown provider {provider!r} in the model {text!r}", hint=hint)


def _how_to_write() -> str:
    return f"write provider:name, such as {', '.join(EXAMPLES.values())}"


def _open_openai(spec: ModelSpec, around: _Surroundings) -> Client:
    from pytest_metaprompt.clients.openai import OpenAIClient

    return OpenAIClient(spec, paces=around.paces)


def _open_responses(spec: ModelSpec, around: _Surroundings) -> Client:
    from pytest_metaprompt.clients.openai_responses import ResponsesClient

    return ResponsesClient(spec, paces=around.paces)


def _open_local(spec: ModelSpec, around: _Surroundings) -> Client:
    from pytest_metaprompt.clients.local import LocalClient

    return LocalClient(spec, root=around.root)


def _open_python(spec: ModelSpec, around: _Surroundings) -> Client:
    from pytest_metaprompt.clients.function import FunctionClient

    return FunctionClient(spec, root=around.root)


def _open_echo(spec: ModelSpec, around: _Surroundings) -> Client:
    from pytest_metaprompt.clients.echo import EchoClient

    return EchoClient()


def _open_github(spec: ModelSpec, around: _Surroundings) -> Client:
    from pytest_metaprompt.clients.github import open_github

    return open_github(spec, paces=around.paces)


def _open_program(spec: ModelSpec, around: _Surroundings) -> Client:
    from pytest_metaprompt.clients.program import ProgramClient

    return ProgramClient(spec, root=around.root)


def _open_promptfoo_python(spec: ModelSpec, around: _Surroundings) -> Client:
    from pytest_metaprompt.clients.promptfoo_python import PromptfooPythonClient

    return PromptfooPythonClient(spec)


_OPENERS: Mapping[str, Callable[[ModelSpec, _Surroundings], Client]] = {
    "openai": _open_openai,
    "openai-responses": _open_responses,
    "local": _open_local,
    "python": _open_python,
    "echo": _open_echo,
    "github": _open_github,
    "exec": _open_program,
    "promptfoo-python": _open_promptfoo_python,
}
