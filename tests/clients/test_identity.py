import os
from base64 import b64encode
from dataclasses import replace

import pytest

from pytest_metaprompt.clients.address import secrets_of
from pytest_metaprompt.clients.identity import identity, runs_live
from pytest_metaprompt.suites import ModelSpec


def told(spec, tmp_path, **environ):
    return identity(spec, root=tmp_path, environ=environ)


def test_a_server_is_known_by_its_address_without_a_login(tmp_path):
    spec = ModelSpec("openai", "m")
    assert told(spec, tmp_path) == "https://api.openai.com/v1"
    assert told(spec, tmp_path, OPENAI_BASE_URL="http://ada:secret@here:80/v1/") == "http://here:80/v1"
    assert told(ModelSpec("openai", "m", base_url="http://there/v1"), tmp_path) == "http://there/v1"


def test_github_models_are_known_by_their_server_and_their_token_is_a_secret(tmp_path):
    spec = ModelSpec("github", "openai/gpt-4o")
    assert told(spec, tmp_path) == "https://models.github.ai/inference"
    assert told(spec, tmp_path, GITHUB_MODELS_BASE_URL="http://here/v1") == "http://here/v1"
    assert secrets_of(spec, {"GITHUB_TOKEN": "ghp-token"}) == {"ghp-token"}
    assert secrets_of(replace(spec, api_key_env="ACME"), {"GITHUB_TOKEN": "ghp-token", "ACME": "acme-key"}) == {
        "acme-key"
    }


def test_a_local_model_is_known_by_its_file_as_it_is_now(tmp_path):
    weights = tmp_path / "m.gguf"
    weights.write_bytes(b"one")
    spec = ModelSpec("local", "m.gguf")
    first = told(spec, tmp_path)
    os.utime(weights, ns=(1, 1))
    assert told(spec, tmp_path) != first
    weights.write_bytes(b"three")
    assert len({first, told(spec, tmp_path)}) == 2
    assert told(ModelSpec("local", "none.gguf"), tmp_path) is None


@pytest.mark.parametrize("provider", ["python", "echo", "exec", "promptfoo-python", "of-a-plugin"])
def test_what_is_not_known_is_not_kept(provider, tmp_path):
    assert told(ModelSpec(provider, "x"), tmp_path) is None
    assert runs_live(ModelSpec(provider, "x")) == (provider != "of-a-plugin")


def test_secrets_are_the_keys_and_the_password_of_the_address():
    spec = ModelSpec("openai", "m", base_url="http://ada:pass-word@here/v1", api_key_env="ACME_KEY")
    environ = {"OPENAI_API_KEY": "sk-openai", "ACME_KEY": "sk-acme", "OTHER": "sk-other"}
    login = b64encode(b"ada:pass-word").decode()
    assert secrets_of(spec, environ) == {"sk-openai", "sk-acme", "pass-word", login}
    assert secrets_of(ModelSpec("openai", "m"), {"OPENAI_API_KEY": "x"}) == frozenset()


@pytest.mark.parametrize(
    ("spec", "environ", "secret"),
    [
        (ModelSpec("github", "openai/gpt-4o"), {"GITHUB_TOKEN": "ghp_12345"}, "ghp_12345"),
        (ModelSpec("openai", "m", api_key="sk-in-a-promptfoo-file"), {}, "sk-in-a-promptfoo-file"),
        (ModelSpec("openai", "m", base_url="https://sk-user-only@here/v1"), {}, "sk-user-only"),
        (ModelSpec("openai", "m"), {"OPENAI_BASE_URL": "https://ada:p%40ssword@here/v1"}, "p@ssword"),
        (ModelSpec("openai", "m", base_url="https://here/v1?api-key=abc%2Fdef&v=2024-02-01"), {}, "abc/def"),
    ],
)
def test_every_place_that_a_secret_stands_in_is_known(spec, environ, secret):
    assert secret in secrets_of(spec, environ)


def test_what_a_query_holds_beside_its_key_is_no_secret():
    spec = ModelSpec("openai", "m", base_url="https://here/v1?api-version=2024-02-01")
    assert secrets_of(spec, {}) == frozenset()


@pytest.mark.parametrize("placeholder", ["ollama", "lm-studio", "not-needed", "unused"])
def test_what_manuals_say_to_set_as_a_key_is_a_word_like_any_other(placeholder):
    assert secrets_of(ModelSpec("openai", "m"), {"OPENAI_API_KEY": placeholder}) == frozenset()
