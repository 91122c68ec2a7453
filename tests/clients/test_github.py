"""`github:`: the token is needed, and the server can be another one."""

from __future__ import annotations

import asyncio

import pytest

from pytest_metaprompt.clients.github import open_github
from pytest_metaprompt.errors import SetupError
from pytest_metaprompt.results import Request
from pytest_metaprompt.suites import Message, ModelSpec
from pytest_metaprompt.testing import ScriptedServer

SPEC = ModelSpec("github", "openai/gpt-4o")


def test_without_a_token_the_error_says_what_to_type() -> None:
    with pytest.raises(SetupError, match=r"GITHUB_TOKEN is not set \(type: export GITHUB_TOKEN=\$\(gh auth token\)"):
        open_github(SPEC, environ={})


def test_the_whole_name_is_asked_for_with_the_token() -> None:
    with ScriptedServer(lambda body: body["model"]) as server:
        client = open_github(SPEC, environ={"GITHUB_TOKEN": "t", "GITHUB_MODELS_BASE_URL": server.base_url})

        async def ask() -> str:
            try:
                return (await client.ask(Request(SPEC, (Message("user", "hi"),)))).text
            finally:
                await client.close()

        assert asyncio.run(ask()) == "openai/gpt-4o"
        assert server.requests[0].headers["authorization"] == "Bearer t"
