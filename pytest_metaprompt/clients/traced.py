"""A span for every call, by the semantic conventions for generative AI of OpenTelemetry.

https://github.com/open-telemetry/semantic-conventions-genai: the names of the attributes are those of the release that
calls the provider `gen_ai.provider.name`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol
from urllib.parse import urlsplit

from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer

from pytest_metaprompt.clients.calls import sent_params
from pytest_metaprompt.errors import MetapromptError
from pytest_metaprompt.protocols import Client
from pytest_metaprompt.results import Reply, Request
from pytest_metaprompt.suites import Json, Message, ModelSpec

Value = str | int | float | Sequence[str]

_NUMBERS = {
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
}
_COUNTS = {
    "max_tokens": "gen_ai.request.max_tokens",
    "max_completion_tokens": "gen_ai.request.max_tokens",
    "seed": "gen_ai.request.seed",
    "top_k": "gen_ai.request.top_k",
}
_PROVIDERS = {"openai-responses": "openai"}
_API_TYPES = {"openai": "chat_completions", "openai-responses": "responses"}
_PORTS = {"http": 80, "https": 443}


class FindUrl(Protocol):
    """Tells where a model is asked."""

    def __call__(self, spec: ModelSpec, /) -> str | None:
        """The address of its server; None for a model without one."""


class TracedClient:
    """Makes a span of each call. `contents` puts the messages into it, which may be nobody else's business.

    `operation` is the convention's word: `chat`, or `embeddings`.
    """

    def __init__(
        self, inner: Client, tracer: Tracer, *, find_url: FindUrl, contents: bool, operation: str = "chat"
    ) -> None:
        self._inner = inner
        self._tracer = tracer
        self._find_url = find_url
        self._contents = contents
        self._operation = operation

    async def ask(self, request: Request) -> Reply:
        """The inner client's reply.

        Raises:
            ModelCallError: As the inner client does.
            SetupError: As the inner client does.
        """
        attributes = {"gen_ai.operation.name": self._operation, **self._asked(request)}
        name = f"{self._operation} {request.model.name}".rstrip()
        with self._tracer.start_as_current_span(
            name, kind=SpanKind.CLIENT, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                reply = await self._inner.ask(request)
            except MetapromptError as error:
                span.set_attribute("error.type", type(error).__name__)
                # The message may quote what the model said.
                span.set_status(Status(StatusCode.ERROR, error.message if self._contents else None))
                raise
            span.set_attributes(dict(_answered(reply, embeds=self._operation == "embeddings")))
            if self._contents:
                span.set_attribute("gen_ai.output.messages", _output(reply))
            return reply

    def _asked(self, request: Request) -> dict[str, Value]:
        spec = request.model
        attributes: dict[str, Value] = {
            "gen_ai.provider.name": _PROVIDERS.get(spec.provider, spec.provider),
            "gen_ai.request.model": spec.name,
            **dict(_params(sent_params(request))),
            **_place(self._find_url(spec)),
        }
        if spec.provider in _API_TYPES and self._operation == "chat":
            attributes["openai.api.type"] = _API_TYPES[spec.provider]
        if self._contents:
            attributes["gen_ai.input.messages"] = json.dumps(
                [_input(message) for message in request.messages], default=dict
            )
        return attributes


def _params(params: Mapping[str, Json]) -> Iterator[tuple[str, Value]]:
    for key, value in params.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if key in _NUMBERS and is_number:
            yield _NUMBERS[key], float(value)  # type: ignore[arg-type]  # a number, as said above
        elif key in _COUNTS and isinstance(value, int) and not isinstance(value, bool):
            yield _COUNTS[key], value
    count, effort = params.get("n"), params.get("reasoning_effort")
    if isinstance(count, int) and not isinstance(count, bool) and count != 1:
        yield "gen_ai.request.choice.count", count
    if isinstance(effort, str):
        yield "gen_ai.request.reasoning.level", effort
    stop = params.get("stop")
    if isinstance(stop, str | list):
        yield "gen_ai.request.stop_sequences", [stop] if isinstance(stop, str) else [str(one) for one in stop]
    wanted = params.get("response_format")
    if isinstance(wanted, Mapping):
        yield "gen_ai.output.type", "text" if wanted.get("type") == "text" else "json"


def _place(url: str | None) -> dict[str, Value]:
    parts = urlsplit(url or "")
    if not parts.hostname:
        return {}
    return {"server.address": parts.hostname, "server.port": parts.port or _PORTS.get(parts.scheme, 443)}


def _answered(reply: Reply, *, embeds: bool) -> Iterator[tuple[str, Value]]:
    usage = reply.usage
    if reply.finish_reason is not None:
        yield "gen_ai.response.finish_reasons", [reply.finish_reason]
    yield "gen_ai.usage.input_tokens", usage.input_tokens
    if not embeds:
        yield "gen_ai.usage.output_tokens", usage.output_tokens
    if usage.cached_input_tokens:
        yield "gen_ai.usage.cache_read.input_tokens", usage.cached_input_tokens
    if usage.reasoning_tokens:
        yield "gen_ai.usage.reasoning.output_tokens", usage.reasoning_tokens


def _input(message: Message) -> dict[str, object]:
    parts: list[dict[str, object]] = [{"type": "text", "content": message.content}] if message.content else []
    calls = message.extra.get("tool_calls")
    if isinstance(calls, list | tuple):
        parts += [{"type": "tool_call", **_call(call)} for call in calls if isinstance(call, Mapping)]
    if message.role == "tool":
        parts = [{"type": "tool_call_response", "id": message.extra.get("tool_call_id"), "response": message.content}]
    return {"role": message.role, "parts": parts}


def _call(call: Mapping[str, Json]) -> dict[str, object]:
    function = call.get("function")
    named = function if isinstance(function, Mapping) else call
    return {"id": call.get("id"), "name": named.get("name"), "arguments": _as_object(named.get("arguments"))}


def _as_object(arguments: Json) -> Json:
    """The arguments as the conventions want them: no text of JSON, where they are that."""
    try:
        read: Json = json.loads(arguments) if isinstance(arguments, str) else arguments
    except (ValueError, RecursionError):
        return arguments
    return read if isinstance(read, Mapping) else arguments


def _output(reply: Reply) -> str:
    parts: list[dict[str, object]] = [{"type": "text", "content": reply.text}] if reply.text else []
    for call in reply.tool_calls:
        told = _as_object(call.raw_arguments)
        parts.append({"type": "tool_call", "id": call.id, "name": call.name, "arguments": told})
    return json.dumps([{"role": "assistant", "parts": parts, "finish_reason": reply.finish_reason or "unknown"}])
