import asyncio
import threading

import pytest

from pytest_metaprompt.clients.openai import OpenAIClient
from pytest_metaprompt.errors import ModelCallError, SetupError
from pytest_metaprompt.results import Reply, Usage
from pytest_metaprompt.suites import ModelSpec
from pytest_metaprompt.testing import Fault, ScriptedServer, completion, in_turn, tool_call
from tests.clients.asking import ask, request

KEY = "sk-very-secret-0123456789"


def client_for(server, **environ):
    return OpenAIClient(ModelSpec("openai", "m", base_url=server.base_url), environ=environ)


def served(script, *requests, **environ):
    """What a client makes of a script's answers, and the server that gave them."""
    with ScriptedServer(script) as server:
        return ask(client_for(server, **environ), *requests), server


def failure(script, asked=None, **environ):
    """What a client says of a script's answer."""
    with ScriptedServer(script) as server, pytest.raises(ModelCallError) as caught:
        ask(client_for(server, **environ), asked or request())
    return str(caught.value)


def test_a_reply_is_read_from_the_server():
    reply, _ = served(lambda body: completion("hi", input_tokens=5, output_tokens=2))
    assert isinstance(reply, Reply)
    assert (reply.text, reply.finish_reason, reply.usage) == ("hi", "stop", Usage(5, 2))
    assert 0 < reply.latency_s < 30
    assert not reply.cached


def test_only_what_the_user_set_is_sent():
    _, server = served(lambda body: "hi", request("hello", system="be kind"))
    messages = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hello"}]
    assert server.requests[0].body == {"model": "m", "messages": messages}


def test_params_are_passed_through_and_the_requests_override_the_models():
    tools = [{"type": "function", "function": {"name": "refund", "parameters": {}}}]
    model = ModelSpec("openai", "m", {"temperature": 0, "tools": tools, "timeout_s": 60})
    _, server = served(lambda body: "hi", request(model=model, params={"temperature": 1, "made_up": None}))
    body = server.requests[0].body
    assert (body["temperature"], body["tools"], body["made_up"]) == (1, tools, None)
    assert "timeout_s" not in body


def test_tool_calls_come_with_their_arguments():
    reply, _ = served(lambda body: completion(tool_calls=[tool_call("refund", order="ORD-1")]))
    (call,) = reply.tool_calls
    assert (reply.text, reply.finish_reason) == ("", "tool_calls")
    assert (call.name, call.arguments, call.id) == ("refund", {"order": "ORD-1"}, "call_refund")


def test_calls_at_once_are_under_way_at_once():
    meeting = threading.Barrier(20, timeout=30)

    def script(body):
        meeting.wait()
        return body["messages"][-1]["content"]

    replies, server = served(script, *(request(str(number)) for number in range(20)))
    assert [reply.text for reply in replies] == [str(number) for number in range(20)]
    assert server.max_under_way == 20


def test_one_client_serves_one_event_loop_after_another():
    with ScriptedServer(lambda body: "hi") as server:
        client = client_for(server)
        assert ask(client).text == "hi"
        assert ask(client).text == "hi"


def test_closing_twice_or_unasked_is_harmless():
    async def close_twice():
        await client.close()
        await client.close()

    client = OpenAIClient(ModelSpec("openai", "m"), environ={"OPENAI_API_KEY": KEY})
    asyncio.run(close_twice())


# Keys and addresses


def test_a_missing_key_says_what_to_type():
    with pytest.raises(SetupError) as caught:
        OpenAIClient(ModelSpec("openai", "gpt-5-mini"), environ={})
    said = "openai:gpt-5-mini needs a key, and OPENAI_API_KEY is not set (type: export OPENAI_API_KEY=...)"
    assert str(caught.value) == said


def test_a_model_may_name_its_own_key_and_no_other_is_taken():
    with pytest.raises(SetupError, match="export ACME_KEY="):
        OpenAIClient(ModelSpec("openai", "m", api_key_env="ACME_KEY"), environ={"OPENAI_API_KEY": KEY})


def test_the_key_is_sent_without_the_blanks_around_it():
    _, server = served(lambda body: "hi", OPENAI_API_KEY=f" {KEY}\n")
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_a_key_with_impossible_characters_is_refused_unseen():
    with pytest.raises(SetupError, match="OPENAI_API_KEY holds characters that no key has") as caught:
        OpenAIClient(ModelSpec("openai", "m"), environ={"OPENAI_API_KEY": "sk-…\nabc"})
    assert "sk-" not in str(caught.value)


def test_an_explicit_base_url_needs_no_key():
    reply, server = served(lambda body: "hi")
    assert reply.text == "hi"
    assert server.requests[0].headers["authorization"] == "Bearer unused"


def test_the_base_url_may_come_from_the_environment(monkeypatch):
    with ScriptedServer(lambda body: "hi") as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        assert ask(OpenAIClient(ModelSpec("openai", "m"))).text == "hi"


def test_a_base_url_that_is_none_is_refused():
    with pytest.raises(SetupError, match="'localhost:8000/v1' does not start with http://"):
        OpenAIClient(ModelSpec("openai", "m", base_url="localhost:8000/v1"), environ={})


def test_a_refused_key_is_named_by_its_variable_only():
    script = in_turn(Fault.status(401, f'{{"error": {{"message": "Incorrect API key provided: {KEY}"}}}}'))
    assert failure(script, OPENAI_API_KEY=KEY) == "openai:m: 401: the server did not accept the key in OPENAI_API_KEY"


def test_a_server_that_wants_a_key_after_all_says_what_to_type():
    assert (
        failure(in_turn(Fault.status(401))) == "openai:m: 401: the server wants a key; type: export OPENAI_API_KEY=..."
    )


@pytest.mark.parametrize(
    "answer",
    [
        Fault.status(400, f"bad header Authorization: Bearer {KEY}"),
        Fault.status(403, f'{{"error": {{"message": "{KEY} may not"}}}}'),
        Fault.status(400, "x" * 190 + KEY),
        Fault.page(f"<html>{KEY}</html>"),
        {"choices": [], "echo": "y" * 170 + KEY},
        {"error": KEY},
    ],
)
def test_the_key_shows_in_no_message(answer):
    said = failure(in_turn(answer), OPENAI_API_KEY=KEY)
    assert KEY not in said
    assert "sk-very" not in said


# What goes wrong


def test_a_rate_limit_is_waited_out():
    reply, server = served(in_turn(Fault.status(429, retry_after_s=0.001), "at last"))
    assert reply.text == "at last"
    assert len(server.requests) == 2


def test_a_server_error_is_tried_three_times_and_then_told():
    with ScriptedServer(in_turn(Fault.status(503, "down for repair", retry_after_s=0.001))) as server:
        with pytest.raises(ModelCallError) as caught:
            ask(client_for(server))
        assert str(caught.value) == "openai:m: 503: down for repair (tried 3 times)"
        assert len(server.requests) == 3


def test_a_broken_connection_is_tried_again():
    reply, server = served(in_turn(Fault.broken_off(), "whole"))
    assert reply.text == "whole"
    assert len(server.requests) == 2


def test_a_bad_request_is_told_at_once_in_the_servers_words():
    with ScriptedServer(in_turn(Fault.status(400, '{"error": {"message": "no such parameter"}}'))) as server:
        with pytest.raises(ModelCallError) as caught:
            ask(client_for(server))
        assert str(caught.value) == "openai:m: 400: no such parameter"
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Fault.no_choices(), "the reply has no choices: {"),
        ({"choices": [{"index": 0}]}, "the reply has no message: {"),
        (Fault(body="[1, 2]"), "the reply is not a JSON object: [1, 2]"),
        (Fault(body="null"), "the reply is not a JSON object: null"),
        (Fault.page(), "the reply is not a JSON object: <html><body>Bad gateway</body></html>"),
        (Fault.truncated_json(), 'the reply is not valid JSON: {"id": "chatcmpl-scripted"'),
        (Fault(body=""), "the reply is not valid JSON: (no body)"),
        (Fault(body="data: {}", content_type="text/event-stream"), "the reply is not a JSON object: data: {}"),
        (Fault.status(404, "<html>\n<h1>Not here</h1>"), "404: <html> <h1>Not here</h1>"),
        (Fault(404), "404: (no body)"),
    ],
)
def test_a_broken_reply_is_told_in_one_line(answer, said):
    told = failure(in_turn(answer))
    assert told.startswith(f"openai:m: {said}")
    assert "\n" not in told


def test_a_long_body_is_cut():
    assert len(failure(in_turn(Fault.status(400, "x" * 10_000)))) <= len("openai:m: ") + 200


def test_a_call_that_takes_too_long_is_ended_and_not_tried_again():
    with ScriptedServer(in_turn(Fault.hang())) as server:
        with pytest.raises(ModelCallError) as caught:
            ask(client_for(server), request(params={"timeout_s": 0.3}))
        assert str(caught.value) == "openai:m: timed out after 0.3 s"
        assert len(server.requests) == 1


def test_a_wait_that_the_limit_does_not_allow_is_not_begun():
    said = failure(in_turn(Fault.status(429, retry_after_s=60)), request(params={"timeout_s": 5}))
    assert said == "openai:m: 429: scripted 429 (the wait of 60 s goes beyond timeout_s, 5 s)"


def test_a_server_that_is_not_there_is_named_without_its_password():
    with ScriptedServer(lambda body: "hi") as gone:
        url = gone.base_url.replace("127.0.0.1", "user:hunter2@127.0.0.1")
    client = OpenAIClient(ModelSpec("openai", "m", base_url=url), environ={})
    with pytest.raises(ModelCallError) as caught:
        ask(client)
    assert str(caught.value).startswith(f"openai:m: no answer from {gone.base_url}: ")
    assert "hunter2" not in str(caught.value)


def test_params_that_are_no_json_are_told():
    assert "not JSON serializable" in failure(in_turn("hi"), request(params={"odd": object()}))
