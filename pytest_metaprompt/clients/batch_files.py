"""The files of the Batch API: requests as JSON lines, and the answers as they come back.

The form is that of https://developers.openai.com/api/docs/guides/batch: one line per request with a `custom_id`, the
answers in any order, those that went wrong in a file of their own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pytest_metaprompt.clients.calls import sent_messages, sent_params
from pytest_metaprompt.clients.completions import error_text, read_completion
from pytest_metaprompt.errors import ModelCallError
from pytest_metaprompt.results import Reply, Request

ENDPOINT = "/v1/chat/completions"


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one file may hold; `size` is in bytes. The defaults are the provider's."""

    requests: int = 50_000
    size: int = 200_000_000


@dataclass(frozen=True, slots=True)
class BatchFile:
    """The content of one file, and the keys of its requests in order."""

    keys: tuple[str, ...]
    content: bytes


def batch_files(requests: Mapping[str, Request], limits: Limits) -> Iterator[BatchFile]:
    """As few files as hold all the requests, by their keys, in order."""
    keys: list[str] = []
    lines: list[bytes] = []
    size = 0
    for key, request in requests.items():
        line = _line(key, request)
        if keys and (len(keys) == limits.requests or size + len(line) > limits.size):
            yield BatchFile(tuple(keys), b"".join(lines))
            keys, lines, size = [], [], 0
        keys.append(key)
        lines.append(line)
        size += len(line)
    if keys:
        yield BatchFile(tuple(keys), b"".join(lines))


def _line(key: str, request: Request) -> bytes:
    body = {**sent_params(request), "model": request.model.name, "messages": sent_messages(request)}
    line = {"custom_id": key, "method": "POST", "url": ENDPOINT, "body": body}
    return json.dumps(line, separators=(",", ":"), default=dict).encode() + b"\n"


def read_answers(contents: Iterable[bytes], *, latency_s: float) -> dict[str, Reply | ModelCallError]:
    """What is said of each request in the files of answers, by its key. Lines that say nothing are left out."""
    found: dict[str, Reply | ModelCallError] = {}
    for content in contents:
        for raw in content.splitlines():
            entry = _json(raw)
            if isinstance(entry, Mapping) and isinstance(key := entry.get("custom_id"), str):
                found[key] = _answer(entry, latency_s)
    return found


def _answer(entry: Mapping[object, object], latency_s: float) -> Reply | ModelCallError:
    response = entry.get("response")
    try:
        if not isinstance(response, Mapping):
            raise ModelCallError(error_text(entry))
        if response.get("status_code") != 200:
            raise ModelCallError(f"{response.get('status_code')}: {error_text(response.get('body'))}")
        return read_completion(response.get("body"), latency_s=latency_s)
    except ModelCallError as error:
        return error


def _json(raw: bytes) -> object:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None
