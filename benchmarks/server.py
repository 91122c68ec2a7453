"""A lean Chat Completions server for the benchmarks: answers every POST after a fixed time, on one asyncio protocol.

    python benchmarks/server.py --delay 0.1     # prints its port, serves until its input is closed

It reads no more of a request than it needs (0.05 ms of CPU a call), so that what is measured is the client.
The answer echoes the last run of digits in the request, which is what the benchmark's cases expect.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys

_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_DIGITS = re.compile(rb"case number (\d+)")
_TEMPLATE = json.dumps(
    {
        "id": "chatcmpl-benchmark",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "benchmark",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "@@"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11},
    }
)
_BEFORE, _AFTER = (part.encode() for part in _TEMPLATE.split("@@"))


class Connection(asyncio.Protocol):
    """One connection, its requests answered one after the other."""

    calls = 0
    under_way = 0
    most_under_way = 0

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = _LENGTH.search(head)
        size = int(length[1]) if length else 0
        if len(body) < size:
            return
        self._buffer = body[size:]
        Connection.calls += 1
        Connection.under_way += 1
        Connection.most_under_way = max(Connection.most_under_way, Connection.under_way)
        asyncio.get_running_loop().call_later(self._delay_s, self._answer, body[:size])

    def _answer(self, body: bytes) -> None:
        Connection.under_way -= 1
        numbers = _DIGITS.findall(body)
        content = _BEFORE + (numbers[-1] if numbers else b"none") + _AFTER
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (len(content), content)
        )


async def serve(delay_s: float) -> None:
    """Serve until the input is closed, then say what was served."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(delay_s), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    print(json.dumps({"calls": Connection.calls, "most_under_way": Connection.most_under_way}), flush=True)
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--delay", type=float, default=0.1, metavar="SECONDS")
    asyncio.run(serve(parser.parse_args().delay))
