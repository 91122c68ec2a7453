"""Requests and replies as JSON, for what outlives the process: the cache and the cassettes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from pytest_metaprompt.clients.calls import sent_messages, sent_params
from pytest_metaprompt.clients.completions import read_tool_calls
from pytest_metaprompt.errors import ModelCallError
from pytest_metaprompt.results import Reply, Request, Usage
from pytest_metaprompt.suites import Json

_ENCODER = json.JSONEncoder(default=dict)
_COUNTS = ("input_tokens", "output_tokens", "cached_input_tokens", "reasoning_tokens")


def request_key(request: Request) -> str:
    """A digest of all that a reply depends on: equal for equal questions, in this process and any other."""
    model = request.model
    params = sorted(sent_params(request).items())
    parts = [model.provider, model.name, model.base_url, params, sent_messages(request), request.sample]
    # Keys further inside keep their order, because a model sees the order of a schema's properties.
    return digest(_ENCODER.encode(parts))


def request_as_json(request: Request) -> dict[str, Json]:
    """The question itself, wherever it is sent: model, sample, parameters in the order of their names, messages."""
    return {
        "model": str(request.model),
        "sample": request.sample,
        "params": dict(sorted(sent_params(request).items())),
        "messages": [dict(message) for message in sent_messages(request)],
    }


def reply_as_json(reply: Reply) -> dict[str, Json]:
    """All of a reply, without what is empty."""
    usage = {name: getattr(reply.usage, name) for name in _COUNTS if getattr(reply.usage, name)}
    calls = [
        {"id": call.id, "name": call.name, "arguments": call.raw_arguments}
        if call.id is not None
        else {"name": call.name, "arguments": call.raw_arguments}
        for call in reply.tool_calls
    ]
    found: dict[str, Json] = {
        "text": reply.text,
        "tool_calls": calls,
        "finish_reason": reply.finish_reason,
        "usage": usage,
        "latency_s": round(reply.latency_s, 3),
        "cost_usd": reply.cost_usd,
        "logprobs": list(reply.logprobs),
    }
    return {key: value for key, value in found.items() if key == "text" or value not in (None, [], {})}


def read_reply(value: object, *, cached: bool = False) -> Reply:
    """The reply that `reply_as_json` wrote.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(value, Mapping) or not isinstance(value.get("text"), str):
        raise ValueError("a reply has no text")
    usage = value.get("usage", {})
    counts = [usage.get(name, 0) for name in _COUNTS] if isinstance(usage, Mapping) else []
    latency_s, cost_usd, finish_reason = value.get("latency_s", 0.0), value.get("cost_usd"), value.get("finish_reason")
    logprobs = value.get("logprobs", [])
    sound = (
        isinstance(logprobs, list)
        and all(isinstance(one, int | float) for one in logprobs)
        and len(counts) == len(_COUNTS)
        and all(isinstance(count, int) for count in counts)
        and isinstance(latency_s, int | float)
        and isinstance(cost_usd, int | float | None)
        and isinstance(finish_reason, str | None)
    )
    if not sound:
        raise ValueError("a reply has a wrong usage, latency_s, cost_usd, finish_reason or logprobs")
    try:
        calls = read_tool_calls(value.get("tool_calls"))
    except ModelCallError as error:
        raise ValueError(error.message) from None
    return Reply(
        text=value["text"],
        tool_calls=calls,
        finish_reason=finish_reason,
        usage=Usage(*counts),
        latency_s=latency_s,
        cost_usd=cost_usd,
        cached=cached,
        logprobs=tuple(map(float, logprobs)),
    )


def digest(text: str) -> str:
    """A digest of a text, which may hold broken characters."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def without_secrets(text: str, secrets: frozenset[str]) -> str:
    """A JSON text in which `***` stands for each secret."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(json.dumps(secret, ensure_ascii=False)[1:-1], "***")
    return text
