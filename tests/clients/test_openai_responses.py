import pytest

from pytest_metaprompt.clients.openai_responses import ResponsesClient
from pytest_metaprompt.errors import ModelCallError
from pytest_metaprompt.results import Request, Usage
from pytest_metaprompt.suites import Message, ModelSpec
from pytest_metaprompt.testing import Fault, ScriptedServer, in_turn, response, tool_call
from tests.clients.asking import ask, request

TOOL = {"type": "function", "function": {"name": "refund", "parameters": {"type": "object"}}}


def client_for(server):
    return ResponsesClient(ModelSpec("openai-responses", "m", base_url=server.base_url), environ={})


def served(script, *requests):
    with ScriptedServer(script) as server:
        return ask(client_for(server), *(requests or (request(),))), server


def body_of(asked):
    return served(lambda body: "hi", asked)[1].requests[0].body


def test_a_reply_is_read_from_the_output():
    reply, server = served(lambda body: response("hi", input_tokens=5, output_tokens=2))
    assert (reply.text, reply.finish_reason, reply.usage) == ("hi", "stop", Usage(5, 2))
    assert server.requests[0].path == "/v1/responses"


def test_only_what_the_user_set_is_sent_and_nothing_is_stored():
    assert body_of(request("hello", system="be kind")) == {
        "model": "m",
        "store": False,
        "input": [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hello"}],
    }


def test_the_parameters_of_chat_completions_are_translated():
    params = {
        "tools": [TOOL, {"type": "web_search"}],
        "tool_choice": {"type": "function", "function": {"name": "refund"}},
        "max_tokens": 9,
        "reasoning_effort": "low",
        "response_format": {"type": "json_schema", "json_schema": {"name": "order", "schema": {}}},
        "temperature": 0,
        "store": True,
    }
    body = body_of(request(params=params))
    del body["input"], body["model"]
    assert body == {
        "tools": [{"type": "function", "name": "refund", "parameters": {"type": "object"}}, {"type": "web_search"}],
        "tool_choice": {"type": "function", "name": "refund"},
        "max_output_tokens": 9,
        "reasoning": {"effort": "low"},
        "text": {"format": {"type": "json_schema", "name": "order", "schema": {}}},
        "temperature": 0,
        "store": True,
    }


def test_a_conversation_with_tools_is_translated():
    asked = Message("assistant", "", {"tool_calls": [tool_call("refund", order="ORD-1")]})
    answered = Message("tool", "done", {"tool_call_id": "call_refund"})
    body = body_of(Request(ModelSpec("openai-responses", "m"), (Message("user", "please"), asked, answered)))
    assert body["input"] == [
        {"role": "user", "content": "please"},
        {"type": "function_call", "call_id": "call_refund", "name": "refund", "arguments": '{"order": "ORD-1"}'},
        {"type": "function_call_output", "call_id": "call_refund", "output": "done"},
    ]


def test_tool_calls_come_with_their_arguments():
    reply, _ = served(lambda body: response(tool_calls=[tool_call("refund", order="ORD-1")]))
    (call,) = reply.tool_calls
    assert (call.name, call.arguments, call.id) == ("refund", {"order": "ORD-1"}, "call_refund")
    assert (reply.text, reply.finish_reason) == ("", "tool_calls")


def test_a_refusal_stands_in_the_place_of_the_text():
    reply, _ = served(lambda body: response(refusal="I cannot help with that."))
    assert reply.text == "I cannot help with that."


@pytest.mark.parametrize(
    ("why", "finish_reason"), [("max_output_tokens", "length"), ("content_filter", "content_filter")]
)
def test_an_incomplete_reply_says_why_it_ended(why, finish_reason):
    reply, _ = served(lambda body: response("cut", incomplete=why))
    assert (reply.text, reply.finish_reason) == ("cut", finish_reason)


def test_reasoning_and_other_items_of_the_output_are_passed_over():
    output = [{"type": "reasoning", "summary": []}, *response("hi")["output"], {"type": "web_search_call"}]
    reply, _ = served(lambda body: {**response(), "output": output})
    assert reply.text == "hi"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"output": None}, "the reply has no output"),
        ({**response("hi"), "status": "failed", "error": {"message": "it broke"}}, "it broke"),
        ({**response("hi"), "status": "queued"}, "the reply has no output"),
        (response(), "the reply has neither a message nor a tool call"),
        (Fault(body="[]"), "the reply is not a JSON object"),
        (Fault.page(), "the reply is not a JSON object"),
        (Fault.truncated_json(), "the reply is not valid JSON"),
        (Fault.status(400, '{"error": {"message": "no such parameter"}}'), "400: no such parameter"),
        ({**response(), "output": [{"type": "function_call", "call_id": "a"}]}, "a tool call has no name"),
    ],
)
def test_what_is_no_reply_is_an_error(answer, said):
    with pytest.raises(ModelCallError, match=f"openai-responses:m: {said}"):
        served(in_turn(answer), request(model=ModelSpec("openai-responses", "m")))


def test_rate_limits_are_waited_out_as_everywhere():
    reply, server = served(in_turn(Fault.status(429, retry_after_s=0.001), "hi"))
    assert (reply.text, reply.retries, len(server.requests)) == ("hi", 1, 2)
