"""Spans of calls: the attributes that the conventions name, and no contents unless somebody wants them."""

import json

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import (
    error_attributes,
    gen_ai_attributes,
    openai_attributes,
    server_attributes,
)
from opentelemetry.trace import SpanKind, StatusCode

from pytest_metaprompt.clients.traced import TracedClient
from pytest_metaprompt.errors import ModelCallError
from pytest_metaprompt.results import Reply, ToolCall, Usage
from pytest_metaprompt.suites import Message, ModelSpec
from pytest_metaprompt.testing import ScriptedClient
from tests.clients.asking import ask, request

NAMES = {
    value
    for module in (gen_ai_attributes, error_attributes, openai_attributes, server_attributes)
    for value in vars(module).values()
    if isinstance(value, str)
} | {"gen_ai.request.reasoning.level"}  # Newer than the package of names.
REPLY = Reply("yes", (ToolCall("look", {"a": 1}, '{"a":1}', "c1"),), "stop", Usage(12, 3))


@pytest.fixture
def spans():
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    exporter.tracer = provider.get_tracer("test")
    return exporter


def traced(spans, answer=REPLY, *, contents=False, url="https://models.example:8443/v1", **more):
    client = ScriptedClient(lambda asked: answer)
    return TracedClient(client, spans.tracer, find_url=lambda spec: url, contents=contents, **more)


def test_a_call_is_a_client_span_with_the_names_of_the_conventions(spans):
    model = ModelSpec("openai", "m", {"temperature": 0, "max_tokens": 9, "top_p": 0.5, "seed": 7, "stop": "x", "n": 2})
    ask(traced(spans), request(model=model, params={"response_format": {"type": "json_schema"}}))
    [span] = spans.get_finished_spans()
    assert (span.name, span.kind) == ("chat m", SpanKind.CLIENT)
    assert dict(span.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "m",
        "gen_ai.request.temperature": 0.0,
        "gen_ai.request.max_tokens": 9,
        "gen_ai.request.top_p": 0.5,
        "gen_ai.request.seed": 7,
        "gen_ai.request.stop_sequences": ("x",),
        "gen_ai.output.type": "json",
        "server.address": "models.example",
        "server.port": 8443,
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.request.choice.count": 2,
        "openai.api.type": "chat_completions",
    }
    assert set(span.attributes) <= NAMES


def test_what_the_provider_had_cached_and_what_it_thought_is_told(spans):
    model = ModelSpec("openai-responses", "m", {"reasoning_effort": "low", "n": 1})
    ask(traced(spans, Reply("yes", usage=Usage(12, 3, 8, 2))), request(model=model))
    [span] = spans.get_finished_spans()
    assert span.attributes["gen_ai.usage.cache_read.input_tokens"] == 8
    assert span.attributes["gen_ai.usage.reasoning.output_tokens"] == 2
    assert span.attributes["gen_ai.request.reasoning.level"] == "low"
    assert span.attributes["openai.api.type"] == "responses"
    assert "gen_ai.request.choice.count" not in span.attributes
    assert set(span.attributes) <= NAMES


def test_contents_are_there_only_for_those_who_want_them(spans):
    asked = request("hello", system="be brief")
    ask(traced(spans), asked)
    ask(traced(spans, contents=True), asked)
    without, with_contents = spans.get_finished_spans()
    assert "hello" not in str(dict(without.attributes)) + str(without.events)
    assert json.loads(with_contents.attributes["gen_ai.input.messages"]) == [
        {"role": "system", "parts": [{"type": "text", "content": "be brief"}]},
        {"role": "user", "parts": [{"type": "text", "content": "hello"}]},
    ]
    assert json.loads(with_contents.attributes["gen_ai.output.messages"]) == [
        {
            "role": "assistant",
            "parts": [
                {"type": "text", "content": "yes"},
                {"type": "tool_call", "id": "c1", "name": "look", "arguments": {"a": 1}},
            ],
            "finish_reason": "stop",
        }
    ]
    assert set(with_contents.attributes) <= NAMES


def test_tool_messages_are_told_as_the_conventions_want(spans):
    calls = [{"id": "c1", "function": {"name": "look", "arguments": "{}"}}]
    messages = (Message("assistant", "", {"tool_calls": calls}), Message("tool", "42", {"tool_call_id": "c1"}))
    from dataclasses import replace

    ask(traced(spans, contents=True), replace(request(), messages=messages))
    [span] = spans.get_finished_spans()
    assert json.loads(span.attributes["gen_ai.input.messages"]) == [
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "c1", "name": "look", "arguments": {}}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "42"}]},
    ]


@pytest.mark.parametrize(("contents", "said"), [(False, None), (True, "openai:m: 500: hello to you")])
def test_a_failed_call_is_an_error_that_quotes_nobody_unasked(spans, contents, said):
    with pytest.raises(ModelCallError):
        ask(traced(spans, ModelCallError("openai:m: 500: hello to you"), contents=contents))
    [span] = spans.get_finished_spans()
    assert span.attributes["error.type"] == "ModelCallError"
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, said)
    assert span.events == ()


def test_models_without_a_server_have_no_address_and_embeddings_their_own_name(spans):
    ask(traced(spans, operation="embeddings", url=None), request(model=ModelSpec("local", "small")))
    [span] = spans.get_finished_spans()
    assert span.name == "embeddings small"
    assert "server.address" not in span.attributes
    assert "gen_ai.usage.output_tokens" not in span.attributes
    assert span.attributes["gen_ai.provider.name"] == "local"
