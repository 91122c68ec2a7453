"""What a scripted server answers with: completions, responses, embeddings, faults; and scripts that choose."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

Body = dict[str, Any]
"""A JSON object, as a test wants to look into it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """An HTTP answer that is not a plain reply; made by its class methods.

    script = in_turn(Fault.status(429, retry_after_s=0.01), "it worked the second time")
    """

    code: int = 200
    body: str = ""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    waits: float | Literal["until closed"] = 0.0
    cut: bool = False
    ends: Literal["politely", "reset", "dripping", "with the server"] = "politely"

    @classmethod
    def status(
        cls,
        code: int,
        body: str = "",
        *,
        retry_after_s: float | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> Fault:
        """An error status, with a body such as the provider's explanation."""
        after = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
        body = body or json.dumps({"error": {"message": f"scripted {code}"}})
        return cls(code, body, headers={**after, **headers})

    @classmethod
    def out_of_quota(cls) -> Fault:
        """The 429 that waiting does not help against: nothing is left to pay with."""
        error = {
            "message": "You exceeded your current quota",
            "type": "insufficient_quota",
            "code": "insufficient_quota",
        }
        return cls(429, json.dumps({"error": error}))

    @classmethod
    def redirect(cls, url: str, *, code: int = 307) -> Fault:
        """The server sends the client elsewhere."""
        return cls(code, headers={"Location": url})

    @classmethod
    def reset(cls) -> Fault:
        """The connection is reset in the middle of the body."""
        return cls(body=json.dumps(completion("cut")), cut=True, ends="reset")

    @classmethod
    def drip(cls) -> Fault:
        """The head of an answer, and then a byte now and then until the server closes: a slow loris."""
        return cls(body=json.dumps(completion("too slow")), ends="dripping")

    @classmethod
    def death(cls) -> Fault:
        """The server breaks this answer off and is gone: every other connection ends, and no new one is taken."""
        return cls(body=json.dumps(completion("cut")), cut=True, ends="with the server")

    @classmethod
    def hang(cls) -> Fault:
        """No answer until the server closes."""
        return cls(body=json.dumps(completion("too late")), waits="until closed", cut=True)

    @classmethod
    def delay(cls, seconds: float, answer: str | Body) -> Fault:
        """An answer after a while, or when the server closes."""
        return cls(body=json.dumps(as_completion(answer)), waits=seconds)

    @classmethod
    def broken_off(cls) -> Fault:
        """The connection is closed in the middle of the body."""
        return cls(body=json.dumps(completion("cut")), cut=True)

    @classmethod
    def truncated_json(cls) -> Fault:
        """A whole answer with half of the JSON."""
        return cls(body=json.dumps(completion("cut"))[:40])

    @classmethod
    def page(cls, html: str = "<html><body>Bad gateway</body></html>") -> Fault:
        """A web page where JSON should be."""
        return cls(body=html, content_type="text/html")

    @classmethod
    def no_choices(cls) -> Fault:
        """A chat completion with an empty list of choices."""
        return cls(body=json.dumps({**completion(""), "choices": []}))


Answer = str | Body | Fault
"""What a script gives: a text, the whole JSON of a reply as `completion` makes it, or a fault."""

Script = Callable[[Body], Answer]
"""The answer for the JSON of a request. It runs in the request's own thread."""


def completion(
    text: str | None = None,
    *,
    tool_calls: Sequence[Body] = (),
    finish_reason: str | None = None,
    input_tokens: int = 1,
    output_tokens: int = 1,
) -> Body:
    """A chat completion's JSON: `completion(tool_calls=[tool_call("refund", order="ORD-1")])`."""
    message: Body = {"role": "assistant", "content": text}
    if tool_calls:
        message["tool_calls"] = list(tool_calls)
    reason = finish_reason or ("tool_calls" if tool_calls else "stop")
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": {
            "prompt_tokens": input_tokens,
            "completion_tokens": output_tokens,
            "total_tokens": input_tokens + output_tokens,
        },
    }


def as_completion(answer: str | Body) -> Body:
    """The JSON of a reply; a text is made one."""
    return completion(answer) if isinstance(answer, str) else answer


def embedding(*numbers: float, input_tokens: int = 1) -> Body:
    """The JSON of an embeddings answer. A script knows such a request by its `input`, where others have `messages`."""
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": list(numbers)}],
        "usage": {"prompt_tokens": input_tokens, "total_tokens": input_tokens},
    }


def response(
    text: str | None = None,
    *,
    tool_calls: Sequence[Body] = (),
    refusal: str | None = None,
    incomplete: str | None = None,
    input_tokens: int = 1,
    output_tokens: int = 1,
) -> Body:
    """The JSON of the Responses API: `response("hi")`, or with `incomplete="max_output_tokens"` one that was cut."""
    parts: list[Body] = []
    if text is not None:
        parts.append({"type": "output_text", "text": text, "annotations": []})
    if refusal is not None:
        parts.append({"type": "refusal", "refusal": refusal})
    output: list[Body] = [{"type": "message", "role": "assistant", "content": parts}] if parts else []
    for call in tool_calls:
        output.append({"type": "function_call", "call_id": call["id"], **call["function"]})
    return {
        "id": "resp-scripted",
        "object": "response",
        "status": "incomplete" if incomplete else "completed",
        "incomplete_details": {"reason": incomplete} if incomplete else None,
        "output": output,
        "usage": {"input_tokens": input_tokens, "output_tokens": output_tokens},
    }


def tool_call(name: str, /, **arguments: object) -> Body:
    """One tool call in a completion: `tool_call("refund", order="ORD-1")`."""
    return {"id": f"call_{name}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}


def by_model(answers: Mapping[str, Answer | Script]) -> Script:
    """A script that answers by the model asked for: `by_model({"small": "dunno", "smart": write_patch})`."""

    def answer(body: Body) -> Answer:
        chosen = answers.get(body["model"])
        if chosen is None:
            return Fault.status(404, json.dumps({"error": {"message": f"no model {body['model']!r}"}}))
        return chosen(body) if callable(chosen) else chosen

    return answer


def in_turn(*answers: Answer) -> Script:
    """A script that gives each answer once, in order, and then the last one for ever."""
    left = list(answers)
    lock = threading.Lock()

    def answer(body: Body) -> Answer:
        with lock:
            return left.pop(0) if len(left) > 1 else left[0]

    return answer
