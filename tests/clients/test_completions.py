import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_metaprompt.clients.completions import read_completion, read_tool_calls, read_usage
from pytest_metaprompt.errors import ModelCallError
from pytest_metaprompt.results import Reply, ToolCall, Usage
from pytest_metaprompt.testing import completion, tool_call


def read(**message):
    return read_completion({"choices": [{"message": message}]}, latency_s=0.5)


def test_a_completion_is_read_whole():
    reply = read_completion(completion("hi", input_tokens=3, output_tokens=4), latency_s=0.5)
    assert reply == Reply("hi", finish_reason="stop", usage=Usage(3, 4), latency_s=0.5)


def test_content_in_parts_is_joined():
    assert (
        read(content=[{"type": "text", "text": "a"}, {"type": "text", "text": "b"}, "c", {"type": "image"}]).text
        == "abc"
    )


def test_a_refusal_is_the_text():
    assert read(content=None, refusal="I will not.").text == "I will not."


def test_no_content_is_an_empty_text():
    assert read(content=None).text == ""
    assert read().text == ""


def test_tool_calls_are_read_with_their_arguments():
    calls = read(tool_calls=[tool_call("refund", order="ORD-1", days=30)]).tool_calls
    assert calls == (
        ToolCall("refund", {"order": "ORD-1", "days": 30}, '{"order": "ORD-1", "days": 30}', "call_refund"),
    )


@pytest.mark.parametrize("raw", ["", "not json", "[1]", '"text"', "{", '{"a": NaN}', "[" * 100_000])
def test_arguments_that_are_no_json_object_are_kept_raw_only(raw):
    (call,) = read_tool_calls([{"function": {"name": "f", "arguments": raw}}])
    assert call.arguments is None
    assert call.raw_arguments == raw


def test_arguments_may_be_an_object_already():
    (call,) = read_tool_calls([{"name": "f", "arguments": {"a": 1}}])
    assert call == ToolCall("f", {"a": 1}, '{"a": 1}')


@pytest.mark.parametrize(
    "calls", ["x", {"a": 1}, [None], ["f"], [{"function": {}}], [{"function": None}], [{"name": 3}]]
)
def test_tool_calls_without_a_name_are_no_reply(calls):
    with pytest.raises(ModelCallError, match="tool call"):
        read(tool_calls=calls)


@pytest.mark.parametrize("usage", [None, [], {}, {"prompt_tokens": "3", "completion_tokens": True}])
def test_usage_that_says_nothing_counts_nothing(usage):
    assert read_usage(usage) == Usage()


def test_usage_is_read_under_both_pairs_of_names():
    assert read_usage({"input_tokens": 3, "output_tokens": 4}) == Usage(3, 4)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("<html>", "the reply is not a JSON object: <html>"),
        (["x"], 'the reply is not a JSON object: ["x"]'),
        (None, "the reply is not a JSON object: null"),
        ({}, "the reply has no choices: {}"),
        ({"choices": []}, 'the reply has no choices: {"choices": []}'),
        ({"choices": [None]}, "the reply has no choices"),
        ({"choices": {"0": {}}}, "the reply has no choices"),
        ({"choices": [{"finish_reason": "stop"}]}, "the reply has no message"),
        ({"choices": [{"message": {"content": 3}}]}, "the message's content is not text: 3"),
        ({"error": {"message": "overloaded", "code": 529}}, "529: overloaded"),
        ({"error": "overloaded"}, "overloaded"),
        ({"error": {"kind": "odd"}}, '{"error": {"kind": "odd"}}'),
    ],
)
def test_what_is_no_completion_says_what_it_is(body, said):
    with pytest.raises(ModelCallError) as caught:
        read_completion(body, latency_s=0)
    assert said in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "message", "content", "tool_calls", "function", "name", "arguments", "usage", "error"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=30,
)


@given(JSON)
def test_any_json_is_a_reply_or_a_model_call_error(body):
    for wrapped in (
        body,
        {"choices": [body]},
        {"choices": [{"message": body}]},
        {"choices": [{"message": {"tool_calls": body}}]},
    ):
        try:
            assert isinstance(read_completion(json.loads(json.dumps(wrapped)), latency_s=0), Reply)
        except ModelCallError:
            continue
