"""The border between a chat completion, as providers write it in JSON, and our `Reply`."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pytest_metaprompt.errors import ModelCallError
from pytest_metaprompt.results import Reply, ToolCall, Usage
from pytest_metaprompt.suites import Json


def read_completion(completion: object, *, latency_s: float) -> Reply:
    """The first choice of a chat completion.

    Raises:
        ModelCallError: It is none, or it holds an error. The message holds all of it: cut it before showing it.
    """
    if not isinstance(completion, Mapping):
        raise ModelCallError(f"the reply is not a JSON object: {show(completion)}")
    if completion.get("error"):
        raise ModelCallError(error_text(completion))
    choices = completion.get("choices")
    if not isinstance(choices, list | tuple) or not choices or not isinstance(choices[0], Mapping):
        raise ModelCallError(f"the reply has no choices: {show(completion)}")
    message = choices[0].get("message")
    if not isinstance(message, Mapping):
        raise ModelCallError(f"the reply has no message: {show(completion)}")
    return Reply(
        text=_text(message),
        tool_calls=read_tool_calls(message.get("tool_calls")) or _legacy_call(message.get("function_call")),
        finish_reason=_text_or_none(choices[0].get("finish_reason")),
        usage=read_usage(completion.get("usage")),
        latency_s=latency_s,
        logprobs=_logprobs(choices[0].get("logprobs")),
    )


def error_text(body: object) -> str:
    """What an error body says, in its `message` where it has one."""
    error = body.get("error", body) if isinstance(body, Mapping) else body
    if not isinstance(error, Mapping):
        return show(error)
    message = error.get("message")
    code = error.get("code")
    if not isinstance(message, str) or not message:
        return show(body)
    return f"{code}: {message}" if isinstance(code, int) else message


def read_tool_calls(calls: object) -> tuple[ToolCall, ...]:
    """The tool calls of a message; `{"function": {"name": ..., "arguments": ...}}`, or the inner part alone.

    Raises:
        ModelCallError: They are not a list, or one has no name.
    """
    if calls is None:
        return ()
    if not isinstance(calls, list | tuple):
        raise ModelCallError(f"the tool calls are not a list: {show(calls)}")
    return tuple(_tool_call(call) for call in calls)


def read_usage(usage: object) -> Usage:
    """The tokens counted, under either pair of names; 0 for what is not there."""
    if not isinstance(usage, Mapping):
        return Usage()
    return Usage(
        _count(usage, "prompt_tokens") or _count(usage, "input_tokens"),
        _count(usage, "completion_tokens") or _count(usage, "output_tokens"),
        _detail(usage, "prompt_tokens_details", "cached_tokens")
        or _detail(usage, "input_tokens_details", "cached_tokens"),
        _detail(usage, "completion_tokens_details", "reasoning_tokens")
        or _detail(usage, "output_tokens_details", "reasoning_tokens"),
    )


def _legacy_call(call: object) -> tuple[ToolCall, ...]:
    """The `function_call` of a message, which came before tool calls; it has no id."""
    return () if call is None else (_tool_call(call),)


def show(value: object) -> str:
    """A value for a message: all of it, a text as it is and anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)


def _text(message: Mapping[object, object]) -> str:
    """The content, or the refusal that stands in its place."""
    content = message.get("content") or message.get("refusal") or ""
    if isinstance(content, str):
        return content
    if isinstance(content, list | tuple):
        return "".join(_part_text(part) for part in content)
    raise ModelCallError(f"the message's content is not text: {show(content)}")


def _part_text(part: object) -> str:
    if isinstance(part, Mapping):
        part = part.get("text") or part.get("refusal") or ""
    return part if isinstance(part, str) else ""


def _tool_call(call: object) -> ToolCall:
    inner = call.get("function", call) if isinstance(call, Mapping) else None
    name = inner.get("name") if isinstance(inner, Mapping) else None
    if not isinstance(call, Mapping) or not isinstance(inner, Mapping) or not isinstance(name, str):
        raise ModelCallError(f"a tool call has no name: {show(call)}")
    arguments = inner.get("arguments")
    raw = arguments if isinstance(arguments, str) else show(arguments)
    return ToolCall(name, _json_object(raw), raw, _text_or_none(call.get("id")))


def _json_object(raw: str) -> Mapping[str, Json] | None:
    try:
        value: Json = json.loads(raw, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, Mapping) else None


def _refuse_constant(name: str) -> Json:
    """NaN and the infinities, which Python reads and JSON does not have."""
    raise ValueError(f"{name} is no JSON")


def _logprobs(found: object) -> tuple[float, ...]:
    """The log probability of each token of the content; empty where they were not asked for."""
    tokens = found.get("content") if isinstance(found, Mapping) else None
    numbers = [token.get("logprob") for token in tokens or () if isinstance(token, Mapping)]
    return tuple(float(number) for number in numbers if isinstance(number, int | float))


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _count(usage: Mapping[object, object], key: str) -> int:
    value = usage.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _detail(usage: Mapping[object, object], key: str, name: str) -> int:
    details = usage.get(key)
    return _count(details, name) if isinstance(details, Mapping) else 0
