import subprocess
import sys

import pytest

from pytest_metaprompt.clients.echo import EchoClient
from pytest_metaprompt.clients.function import FunctionClient
from pytest_metaprompt.clients.models import EXAMPLES, open_client, parse_model
from pytest_metaprompt.clients.openai import OpenAIClient
from pytest_metaprompt.errors import MetapromptError
from pytest_metaprompt.suites import ModelSpec


@pytest.mark.parametrize(
    ("text", "provider", "name"),
    [
        ("openai:gpt-5-mini", "openai", "gpt-5-mini"),
        ("openai:ft:gpt-4.1:acme::id", "openai", "ft:gpt-4.1:acme::id"),
        ("local:models/a b.gguf", "local", "models/a b.gguf"),
        ("python:shop.bot:answer", "python", "shop.bot:answer"),
        ("echo:", "echo", ""),
        (" openai: gpt-5-mini ", "openai", "gpt-5-mini"),
    ],
)
def test_a_model_is_a_provider_and_all_that_follows_the_first_colon(text, provider, name):
    assert parse_model(text) == ModelSpec(provider, name)


@pytest.mark.parametrize("text", EXAMPLES.values())
def test_every_example_that_is_shown_is_a_model(text):
    assert parse_model(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("opnai:gpt-5", "unknown provider 'opnai' in the model 'opnai:gpt-5' (did you mean 'openai'? known: echo,"),
        ("opnai:gpt-5", "such as openai:gpt-5-mini, local:smollm2-135m"),
        ("gpt-5", "the model 'gpt-5' names no provider (write provider:name, such as openai:gpt-5-mini"),
        ("", "the model '' names no provider"),
        ("openai:", "the model 'openai:' has no name (write it as openai:gpt-5-mini)"),
        ("python:shop.bot", "names no callable (write it as python:package.module:callable)"),
        ("python::answer", "names no callable"),
    ],
)
def test_what_is_no_model_is_refused_with_how_to_write_one(text, said):
    with pytest.raises(MetapromptError) as caught:
        parse_model(text)
    assert said in str(caught.value)


def test_each_provider_opens_its_client(tmp_path, monkeypatch):
    (tmp_path / "opened_bot.py").write_text("def answer(messages): return 'hi'")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    assert isinstance(open_client(parse_model("openai:m"), root=tmp_path), OpenAIClient)
    assert isinstance(open_client(parse_model("python:opened_bot:answer"), root=tmp_path), FunctionClient)
    assert isinstance(open_client(parse_model("echo:"), root=tmp_path), EchoClient)


def test_a_model_of_an_unknown_provider_opens_nothing(tmp_path):
    with pytest.raises(MetapromptError, match="unknown provider 'nope'"):
        open_client(ModelSpec("nope", "m"), root=tmp_path)


def test_importing_the_models_loads_no_sdk():
    code = "import sys, pytest_metaprompt.clients.models; print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for heavy in ("openai", "httpx2", "xllamacpp", "pytest_metaprompt.clients.local", "asyncio"):
        assert f"'{heavy}'" not in loaded
