"""`github:`, the models that GitHub serves to whoever has a token of it, over Chat Completions."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

from pytest_metaprompt.clients.address import key_name, server_url
from pytest_metaprompt.clients.openai import OpenAIClient
from pytest_metaprompt.clients.pace import Paces
from pytest_metaprompt.errors import SetupError
from pytest_metaprompt.suites import ModelSpec


def open_github(
    spec: ModelSpec, *, environ: Mapping[str, str] = os.environ, paces: Paces | None = None
) -> OpenAIClient:
    """The client for a model such as `github:openai/gpt-4o`.

    Raises:
        SetupError: There is no token; the message says what to type.
    """
    token = key_name(spec)
    if not environ.get(token, "").strip():
        other = spec.name.rpartition("/")[2]
        raise SetupError(
            f"{spec} needs a token of GitHub, and {token} is not set",
            hint=f"type: export {token}=$(gh auth token), or ask another server: --metaprompt-target=openai:{other}",
        )
    server = server_url(spec, environ)
    return OpenAIClient(replace(spec, base_url=server, api_key_env=token), environ=environ, paces=paces)
