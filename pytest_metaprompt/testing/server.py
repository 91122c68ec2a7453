"""A model server over real sockets that answers by a script."""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Protocol, Self

from pytest_metaprompt.testing.answers import Body, Fault, Script, as_completion, response


@dataclass(frozen=True, slots=True)
class Served:
    """A request as the server got it; the names of `headers` are in lower case."""

    body: Body
    headers: Mapping[str, str]
    path: str = "/v1/chat/completions"


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
            return answer if isinstance(answer, Fault) else Fault(body=json.dumps(as_completion(answer)))
        except Exception as error:  # the fence around the user's code
            said = json.dumps({"error": {"message": f"the script raised {type(error).__name__}: {error}"}})
            return Fault(500, said, headers={"X-Should-Retry": "false"})

    def wait(self, fault: Fault) -> Fault:
        """What to send, when it is time to send it."""
        if fault.waits:
            self._closing.wait(None if fault.waits == "until closed" else fault.waits)
        return fault


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
