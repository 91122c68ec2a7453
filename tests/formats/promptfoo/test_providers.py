"""Providers as models, with what promptfoo sends to them, and which columns there are."""

from __future__ import annotations

import pytest

from pytest_metaprompt.suites import ModelSpec
from tests.formats.promptfoo.conftest import Read, Refused


def spec(read: Read, provider: str, **files: str) -> ModelSpec:
    (suite,) = read(f"prompts: [hi]\nproviders:\n  - {provider}\n", **files)
    return suite.target


def test_a_chat_model_gets_promptfoos_defaults(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    assert spec(read, "openai:gpt-4.1") == ModelSpec("openai", "gpt-4.1", {"temperature": 0.0, "max_tokens": 1024})
    assert spec(read, "openai:chat:org/m:free").name == "org/m:free"
    assert spec(read, "openai:gpt-5-mini").params == {}
    monkeypatch.setenv("OPENAI_MAX_TOKENS", "5")
    assert spec(read, "openai:gpt-4.1").params["max_tokens"] == 5


def test_a_providers_config_is_what_is_sent(read: Read) -> None:
    found = spec(
        read,
        "{id: 'openai:chat:m', config: {omitDefaults: true, seed: 3, apiHost: h.org, apiKeyEnvar: K, apiKey: secret,"
        " passthrough: {user: u}, tools: 'file://t.yaml', max_completion_tokens: 9}}",
        t_dot_yaml="- {type: function, function: {name: f}}\n",
    )
    tools = [{"type": "function", "function": {"name": "f"}}]
    assert found.params == {"seed": 3, "tools": tools, "user": "u", "max_completion_tokens": 9}
    assert (found.base_url, found.api_key_env, found.api_key) == ("https://h.org/v1", "K", "secret")
    assert "secret" not in repr(found)


def test_the_environment_of_a_config_is_the_providers(read: Read) -> None:
    (suite,) = read(
        "prompts: [hi]\nenv: {OPENAI_API_KEY: k, OPENAI_BASE_URL: 'http://x/v1', MODEL: m1}\n"
        "providers: ['openai:chat:{{env.MODEL}}']\n"
    )
    assert (suite.target.name, suite.target.api_key, suite.target.base_url) == ("m1", "k", "http://x/v1")


def test_every_form_of_a_provider_is_read(read: Read) -> None:
    suites = read(
        "prompts: [hi]\nproviders:\n  - openai:chat:a:\n      config: {seed: 1}\n  - {id: echo, label: E, delay: 250}\n"
        "  - file://more.yaml\n  - file://own.py\n  - python:own.py:other\n  - 'exec: ./run.sh'\n",
        more_dot_yaml="- {id: echo, label: from file}\n",
        own_dot_py="",
    )
    assert [suite.part for suite in suites] == [
        "openai:chat:a", "E", "from file", "file://own.py", "python:own.py:other", "exec: ./run.sh",
    ]  # fmt: skip
    assert suites[1].column.delay_s == 0.25
    assert [suite.target.name.rpartition("/")[2] for suite in suites[3:]] == [
        "own.py:call_api",
        "own.py:other",
        "run.sh",
    ]


def test_a_provider_may_be_for_some_prompts_only(read: Read) -> None:
    text = (
        "prompts:\n  - {id: p1, label: One, raw: a}\n  - {id: p2, label: 'Two:x', raw: b}\n"
        "  - {id: p3, label: Three, raw: c}\n"
        "providers: [{id: echo, label: E, prompts: [Two, 'Th*']}, {id: echo, label: F, prompts: [p1]}]\n"
    )
    assert [suite.part for suite in read(text)] == ["Two:x · E", "Three · E", "One · F"]


@pytest.mark.parametrize(
    ("provider", "told"),
    [
        ("anthropic:messages:x", "the provider 'anthropic:messages:x' is not supported (supported: openai:chat:"),
        ("openai:embedding:x", "the provider 'openai:embedding:x' is not supported"),
        ("file://p.js", "the provider 'file://p.js' is not supported"),
        ("file://nope.py", "the provider's file 'nope.py' does not exist"),
        ("{id: 'openai:x', config: {functionToolCallbacks: {}}}", "'functionToolCallbacks' in the config of openai:x"),
        ("{label: x, config: {}}", "a provider needs an id"),
        ("[]", "a provider must be a mapping"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(refused: Refused, provider: str, told: str) -> None:
    assert told in refused(f"prompts: [hi]\nproviders:\n  - {provider}\n")


def test_there_must_be_providers_once(refused: Refused) -> None:
    assert "the config names no providers" in refused("prompts: [hi]\n")
    assert "there are providers and targets" in refused("prompts: [hi]\nproviders: [echo]\ntargets: [echo]\n")
    assert "no prompt is for any of the providers" in refused(
        "prompts: [hi]\nproviders: [{id: echo, prompts: [other]}]\n"
    )
