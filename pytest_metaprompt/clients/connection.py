"""One HTTP/1.1 connection: a request goes out, its whole answer comes back, and the next may follow.

An asyncio protocol over h11. A call takes a quarter of the CPU time that it takes through httpx2, and that time
decides how long a run of many cases takes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import h11

MAX_BODY_BYTES = 64 * 1024 * 1024
"""An answer that is longer is given up: no model writes so much, and memory has an end."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A whole HTTP answer; the names of `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NoAnswerError(Exception):
    """There was no whole HTTP answer; the message says why."""


class Connection(asyncio.Protocol):
    """A connection that serves one request at a time."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.CLIENT)
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[HttpAnswer] | None = None
        self._head: h11.Response | None = None
        self._body = bytearray()

    @property
    def reusable(self) -> bool:
        """Whether another request may be sent."""
        return self._http.our_state is h11.IDLE and self._transport is not None and not self._transport.is_closing()

    async def post(self, target: str, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """The answer to a POST. When it is cancelled, the connection is closed.

        Raises:
            NoAnswerError: The connection broke, or what came is no HTTP answer.
        """
        if self._transport is None:
            raise NoAnswerError("the connection is closed")
        self._head = None
        self._body.clear()
        self._answer = asyncio.get_running_loop().create_future()
        head = h11.Request(method="POST", target=target, headers=[*headers.items(), ("Content-Length", str(len(body)))])
        self._transport.write(b"".join(self._http.send(part) or b"" for part in (head, h11.Data(body), _END)))
        try:
            return await self._answer
        finally:
            self._next_cycle()

    def close(self) -> None:
        """Ends the connection now."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the way to write."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Takes what came."""
        if self._answer is None or self._answer.done():
            self.close()  # Nobody asked: whatever it is, it must not become the answer to the next request.
            return
        self._http.receive_data(data)
        self._read()

    def eof_received(self) -> None:
        """Takes the end: that of an answer without a length, or one that is too early."""
        if self._http.their_state is h11.SEND_RESPONSE and not self._http.trailing_data[0]:
            self._fail("the server closed the connection without an answer")
            return
        self._http.receive_data(b"")
        self._read()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the request that is under way."""
        self._fail(str(exc) if exc else "the server closed the connection")

    def _read(self) -> None:
        try:
            while self._take(self._http.next_event()):
                pass
        except h11.RemoteProtocolError as error:
            self._fail(str(error))

    def _take(self, event: object) -> bool:
        """Whether another event may be there already."""
        match event:
            case h11.Response():
                self._head = event
            case h11.Data():
                self._body += event.data
                if len(self._body) > MAX_BODY_BYTES:
                    self._fail(f"the answer is longer than {MAX_BODY_BYTES} bytes")
            case h11.EndOfMessage():
                self._succeed()
                return False
            case h11.ConnectionClosed():
                self._fail("the server closed the connection")
                return False
        return event is not h11.NEED_DATA and event is not h11.PAUSED

    def _succeed(self) -> None:
        if self._answer is not None and not self._answer.done() and self._head is not None:
            names = {name.decode("ascii"): value.decode("latin-1") for name, value in self._head.headers}
            self._answer.set_result(HttpAnswer(self._head.status_code, names, bytes(self._body)))

    def _fail(self, why: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(NoAnswerError(why))
        self.close()

    def _next_cycle(self) -> None:
        surplus, _ = self._http.trailing_data
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE and not surplus:
            self._http.start_next_cycle()
        else:
            self.close()


_END = h11.EndOfMessage()
