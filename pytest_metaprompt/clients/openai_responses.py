"""`openai-responses:`, the Responses API of OpenAI, asked without any state on the server.

Suites are written for Chat Completions; what has another form here is put into it: the messages, their tool calls and
results, `tools`, `tool_choice`, `response_format` and the limit of tokens. https://platform.openai.com/docs/api-reference/responses
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pytest_metaprompt.clients.calls import sent_params
from pytest_metaprompt.clients.completions import error_text, read_tool_calls, read_usage, show
from pytest_metaprompt.clients.server import ServedClient
from pytest_metaprompt.errors import ModelCallError
from pytest_metaprompt.results import Reply, Request
from pytest_metaprompt.suites import Json, Message

_FINISH = {"max_output_tokens": "length", "content_filter": "content_filter"}


class ResponsesClient(ServedClient):
    """Asks a server that speaks the Responses API. Nothing is stored there unless the user sets `store`."""

    async def ask(self, request: Request) -> Reply:
        """The server's reply.

        Raises:
            ModelCallError: There was no usable reply in time.
            SetupError: One of our own keys, such as `timeout_s`, is no number.
        """
        body = {
            "store": False,
            **translate_params(sent_params(request)),
            "model": request.model.name,
            "input": [item for message in request.messages for item in _input_items(message)],
        }
        return await self._server.call("/responses", body, request, read_response)


def translate_params(params: Mapping[str, Json]) -> dict[str, Json]:
    """The parameters of a chat completion as the Responses API calls them; the others as they are."""
    translated = dict(params)
    if "tools" in params and isinstance(params["tools"], list | tuple):
        translated["tools"] = [_flat(tool) for tool in params["tools"]]
    if "tool_choice" in params:
        translated["tool_choice"] = _flat(params["tool_choice"])
    for name in ("max_tokens", "max_completion_tokens"):
        if name in translated:
            translated["max_output_tokens"] = translated.pop(name)
    if "reasoning_effort" in translated:
        translated["reasoning"] = {"effort": translated.pop("reasoning_effort")}
    if "response_format" in translated:
        text = translated.get("text")
        given = text if isinstance(text, Mapping) else {}
        translated["text"] = {**given, "format": _flat(translated.pop("response_format"))}
    return translated


def read_response(response: object, *, latency_s: float) -> Reply:
    """The text and the tool calls of a response's output, in its order.

    Raises:
        ModelCallError: It is none, it failed, or it holds neither a text nor a tool call and no reason for that.
    """
    if not isinstance(response, Mapping):
        raise ModelCallError(f"the reply is not a JSON object: {show(response)}")
    if response.get("error"):
        raise ModelCallError(error_text(response))
    output = response.get("output")
    status = response.get("status", "completed")
    if not isinstance(output, list | tuple) or status not in ("completed", "incomplete"):
        raise ModelCallError(f"the reply has no output: {show(response)}")
    texts = [text for item in output for text in _texts(item)]
    calls = [item for item in output if isinstance(item, Mapping) and item.get("type") == "function_call"]
    if not texts and not calls and status == "completed":
        raise ModelCallError(f"the reply has neither a message nor a tool call: {show(response)}")
    return Reply(
        text="".join(texts),
        tool_calls=read_tool_calls([{**call, "id": call.get("call_id")} for call in calls]),
        finish_reason=_finish_reason(response, has_calls=bool(calls)),
        usage=read_usage(response.get("usage")),
        latency_s=latency_s,
    )


def _finish_reason(response: Mapping[object, object], *, has_calls: bool) -> str:
    """The reason in the words of Chat Completions."""
    if response.get("status") == "incomplete":
        details = response.get("incomplete_details")
        reason = details.get("reason") if isinstance(details, Mapping) else None
        return _FINISH.get(str(reason), str(reason or "incomplete"))
    return "tool_calls" if has_calls else "stop"


def _texts(item: object) -> Iterator[str]:
    """The texts of an output message, and refusals, which stand in their place."""
    content = item.get("content") if isinstance(item, Mapping) and item.get("type") == "message" else None
    for part in content if isinstance(content, list | tuple) else ():
        if isinstance(part, Mapping):
            said = part.get("text") if part.get("type") == "output_text" else part.get("refusal")
            if isinstance(said, str):
                yield said


def _input_items(message: Message) -> Iterator[dict[str, Json]]:
    if message.role == "tool":
        call = message.extra.get("tool_call_id")
        yield {"type": "function_call_output", "call_id": call, "output": message.content}
        return
    calls = message.extra.get("tool_calls")
    if message.content or not calls:
        yield {"role": message.role, "content": message.content}
    for call in calls if isinstance(calls, list | tuple) else ():
        if isinstance(call, Mapping):
            function = call.get("function")
            inner = function if isinstance(function, Mapping) else call
            yield {
                "type": "function_call",
                "call_id": call.get("id"),
                "name": inner.get("name"),
                "arguments": inner.get("arguments"),
            }


def _flat(value: Json) -> Json:
    """`{"type": "function", "function": {"name": ...}}` with the inner keys beside the type, as this API has them."""
    if not isinstance(value, Mapping):
        return value
    kind = value.get("type")
    inner = value.get(kind) if isinstance(kind, str) else None
    return {"type": kind, **inner} if isinstance(inner, Mapping) else value
