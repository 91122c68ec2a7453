"""Stand-ins for models, for the tests of suites, plugins and clients: scripted, recording, and never asleep.

def test_my_client_asks_politely():
    with ScriptedServer(lambda body: "yes") as server:
        ask(base_url=server.base_url)
    assert server.requests[0].body["messages"][0]["content"] == "please"
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType, TracebackType
from typing import Any, Literal, Protocol, Self

from pytest_metaprompt.results import Reply, Request

Body = dict[str, Any]
"""A JSON object, as a test wants to look into it."""


class ScriptedClient:
    """A `Client` that answers with a function and keeps what it was asked.

        client = ScriptedClient(lambda request: "42")
        reply = asyncio.run(client.ask(request))
        assert reply.text == "42" and client.requests == [request]

    A text is made a reply, and an exception, returned or raised, is raised.
    """

    def __init__(self, answer: Callable[[Request], str | Reply | Exception]) -> None:
        self.requests: list[Request] = []
        self._answer = answer

    async def ask(self, request: Request) -> Reply:
        """What the function says. Others get their turn in between, as with a model."""
        self.requests.append(request)
        await asyncio.sleep(0)
        answer = self._answer(request)
        if isinstance(answer, Exception):
            raise answer
        return Reply(answer, finish_reason="stop") if isinstance(answer, str) else answer


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
        return cls(body=json.dumps(_as_completion(answer)), waits=seconds)

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


@dataclass(frozen=True, slots=True)
class Served:
    """A request as the server got it; the names of `headers` are in lower case."""

    body: Body
    headers: Mapping[str, str]
    path: str = "/v1/chat/completions"


class FakeClock:
    """A clock for clients that keeps nobody waiting: to sleep moves it on at once, and `slept` holds for how long."""

    def __init__(self, *, date: float = 1_800_000_000.0) -> None:
        self.slept: list[float] = []
        self._began = date
        self._now = 0.0

    def now(self) -> float:
        """The seconds that were slept through."""
        return self._now

    def date(self) -> float:
        """Seconds since 1970."""
        return self._began + self._now

    async def sleep(self, seconds: float) -> None:
        """Moves the clock on. Those who sleep at the same time sleep side by side."""
        self.slept.append(seconds)
        until = self._now + seconds
        await asyncio.sleep(0)
        self._now = max(self._now, until)


class Beside(Protocol):
    """Serves what is no chat completion."""

    def serve(self, method: str, path: str, headers: Mapping[str, str], raw: bytes, ask: Script) -> Fault | None:
        """What to send, or None where the request is none of its own. `ask` is the server's script."""


class ScriptedServer:
    """A Chat Completions and embeddings server on 127.0.0.1, over real sockets, that answers by a script.

        with ScriptedServer(lambda body: body["messages"][-1]["content"].upper()) as server:
            ...  # base_url: server.base_url
        assert len(server.requests) == 1

    Closing it ends whatever is under way. A script that raises is answered with a 500 that says so. What else it serves
    stands `beside`, such as a `ScriptedBatches`.
    """

    def __init__(self, script: Script, *, beside: Beside | None = None) -> None:
        self.requests: list[Served] = []
        self.max_under_way = 0
        """The most requests that were being answered at the same time."""
        self._script = script
        self._under_way = 0
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._http = _Listener(self)
        self._http.beside, self._http.script = beside, script
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._http.shutdown()
        self._http.close_connections()
        self._http.server_close()
        self._thread.join()

    @property
    def base_url(self) -> str:
        """What clients take as their base URL."""
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    def answer(self, served: Served) -> Fault:
        """What to send for a request."""
        with self._lock:
            self.requests.append(served)
            self._under_way += 1
            self.max_under_way = max(self.max_under_way, self._under_way)
        try:
            return self.wait(self._ask_script(served))
        finally:
            with self._lock:
                self._under_way -= 1

    def die(self) -> None:
        """Takes no more connections, and ends those that are open."""
        self._http.stop_listening()
        self._http.close_connections()

    @property
    def closing(self) -> threading.Event:
        """Set when the server closes."""
        return self._closing

    def _ask_script(self, served: Served) -> Fault:
        try:
            answer = self._script(served.body)
            if isinstance(answer, str) and served.path.endswith("/responses"):
                answer = response(answer)
            return answer if isinstance(answer, Fault) else Fault(body=json.dumps(_as_completion(answer)))
        except Exception as error:  # the fence around the user's code
            said = json.dumps({"error": {"message": f"the script raised {type(error).__name__}: {error}"}})
            return Fault(500, said, headers={"X-Should-Retry": "false"})

    def wait(self, fault: Fault) -> Fault:
        """What to send, when it is time to send it."""
        if fault.waits:
            self._closing.wait(None if fault.waits == "until closed" else fault.waits)
        return fault


def _as_completion(answer: str | Body) -> Body:
    return completion(answer) if isinstance(answer, str) else answer


_Accepted = socket.socket | tuple[bytes, socket.socket]  # The second is for UDP, which we do not serve.


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024
    beside: Beside | None = None
    script: Script

    def __init__(self, scripted: ScriptedServer) -> None:
        self.scripted = scripted
        self._connections: set[_Accepted] = set()
        self._connecting = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: _Accepted, client_address: object) -> None:
        """Remembers the connection before its thread begins."""
        with self._connecting:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: _Accepted) -> None:
        """Forgets the connection when it ends."""
        with self._connecting:
            self._connections.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        with self._connecting:
            for connection in self._connections:
                if isinstance(connection, socket.socket):
                    _shut(connection)

    def stop_listening(self) -> None:
        """Refuses connections from now on."""
        # On some systems a closed socket goes on listening as long as a thread selects on it.
        _shut(self.socket)
        self.socket.close()

    def handle_error(self, request: _Accepted, client_address: object) -> None:
        """Says nothing of clients that leave early: some tests are about them."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


DRIP_S = 0.05
"""The seconds between two bytes of a dripping answer."""

_PATHS = ("/chat/completions", "/responses", "/embeddings")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Listener

    def do_GET(self) -> None:
        """Answers what is served beside; the name is what http.server looks for."""
        if not self._served_beside(b""):
            self._send(Fault.status(404, json.dumps({"error": {"message": f"no such path: {self.path}"}})))

    def do_POST(self) -> None:
        """Answers a call; the name is what http.server looks for."""
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self._served_beside(raw):
            return
        if not self.path.partition("?")[0].endswith(_PATHS):
            self._send(Fault.status(404, json.dumps({"error": {"message": f"no such path: {self.path}"}})))
            return
        try:
            body: Body = json.loads(raw)
        except ValueError:
            self._send(Fault.status(400, json.dumps({"error": {"message": "the request is not valid JSON"}})))
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._send(self.server.scripted.answer(Served(body, headers, self.path)))

    def _served_beside(self, raw: bytes) -> bool:
        if self.server.beside is None:
            return False
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.beside.serve(self.command, self.path, headers, raw, self.server.script)
        if answer is not None:
            self._send(self.server.scripted.wait(answer))
        return answer is not None

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's own name
        """Says nothing."""

    def _send(self, answer: Fault) -> None:
        payload = answer.body.encode()
        phrase, _ = self.responses.get(answer.code, ("", ""))
        headers = {**answer.headers, "Content-Type": answer.content_type, "Content-Length": str(len(payload))}
        lines = [f"HTTP/1.1 {answer.code} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        # In one piece: headers and body in two packets would make every answer slower.
        if answer.ends == "dripping":
            self._drip(head, payload)
            return
        self.wfile.write(head + (payload[: len(payload) // 2] if answer.cut else payload))
        if answer.ends == "with the server":
            self.server.scripted.die()
        if answer.ends == "reset":
            # To linger for no time makes the end of a socket a reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())
        elif answer.cut:
            _shut(self.connection)
        self.close_connection = self.close_connection or answer.cut

    def _drip(self, head: bytes, payload: bytes) -> None:
        self.wfile.write(head)
        self.close_connection = True
        for byte in payload:
            if self.server.scripted.closing.wait(DRIP_S):
                break
            self.wfile.write(bytes([byte]))


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # The other side was faster.
