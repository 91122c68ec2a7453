"""A scripted Batch API, served beside the chat completions of a `ScriptedServer`.

batches = ScriptedBatches(states=("validating", "in_progress", "completed"))
with ScriptedServer(lambda body: "yes", beside=batches) as server:
    ...
assert len(batches.begun) == 1
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from urllib.parse import parse_qs

from pytest_metaprompt.testing.answers import Body, Fault, Script, as_completion

State = str | tuple[str, int, int] | Fault
"""What a look at a batch finds: a state, with how many requests are done and failed so far, or a fault in its place."""

_ENDED = ("completed", "expired", "cancelled")


@dataclass(slots=True)
class Begun:
    """A batch: its file, its requests, the states still to be told, and the ids of its files of answers once it has
    ended."""

    id: str
    file: str
    requests: list[Body]
    states: list[State]
    problems: list[Body]
    status: str = "validating"
    files: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)


class ScriptedBatches:
    """Files and batches as the provider serves them; the server's script answers each request.

    Every look at a batch tells the next of `states`, and the last one for ever. Only the first `answered` requests have
    answers; to the others, a batch that expired has errors. A request that the script answers with a `Fault` goes to
    the file of errors. `faults` are answers to come first, by what is asked: `upload`, `begin`, `list`, `look`,
    `fetch`, `cancel`; those of `begun` take the place of the answer after a batch was begun. A file that the provider
    would refuse, such as one with two models, makes the batch fail. Batches are listed `page` at a time.
    """

    def __init__(
        self,
        *,
        states: Sequence[State] = ("completed",),
        answered: int | None = None,
        faults: Mapping[str, Sequence[Fault]] | None = None,
        page: int = 100,
    ) -> None:
        self.states = tuple(states)
        self.uploaded: dict[str, bytes] = {}
        self.begun: dict[str, Begun] = {}
        self.looks = 0
        self.keys: set[str] = set()
        """The keys that were sent, as the header has them."""
        self._answered = answered
        self._page = page
        self._faults = {what: list(faults) for what, faults in (faults or {}).items()}
        self._answers: dict[str, str] = {}
        self._lock = threading.Lock()

    def serve(self, method: str, path: str, headers: Mapping[str, str], raw: bytes, ask: Script) -> Fault | None:
        """The answer to a request of this API; None for any other."""
        path, _, query = path.partition("?")
        with self._lock:
            match method, *path.removeprefix("/v1/").split("/"):
                case "POST", "files":
                    return self._told("upload", headers) or self._upload(headers, raw)
                case "POST", "batches":
                    return self._told("begin", headers) or self._begin(json.loads(raw), headers)
                case "GET", "batches":
                    return self._told("list", headers) or self._list(query)
                case "GET", "batches", batch if batch in self.begun:
                    return self._told("look", headers) or self._look(self.begun[batch], ask)
                case "POST", "batches", batch, "cancel" if batch in self.begun:
                    return self._told("cancel", headers) or self._cancel(self.begun[batch])
                case "GET", "files", file, "content" if file in self._answers:
                    return self._told("fetch", headers) or Fault(body=self._answers[file])
        return None

    def _told(self, what: str, headers: Mapping[str, str]) -> Fault | None:
        self.keys.add(headers.get("authorization", ""))
        left = self._faults.get(what)
        return left.pop(0) if left else None

    def _upload(self, headers: Mapping[str, str], raw: bytes) -> Fault:
        whole = message_from_bytes(b"Content-Type: " + headers["content-type"].encode() + b"\r\n\r\n" + raw)
        parts = {name: part for part in whole.walk() if isinstance(name := _name(part), str)}
        if _content(parts.get("purpose")) != b"batch" or "file" not in parts:
            return Fault.status(400, json.dumps({"error": {"message": "a file needs the purpose batch"}}))
        file = f"file-{len(self.uploaded) + 1}"
        self.uploaded[file] = _content(parts["file"])
        return _json({"id": file, "object": "file", "purpose": "batch", "bytes": len(self.uploaded[file])})

    def _begin(self, wanted: Body, headers: Mapping[str, str]) -> Fault:
        if wanted.get("input_file_id") not in self.uploaded or wanted.get("completion_window") != "24h":
            return Fault.status(400, json.dumps({"error": {"message": "no such file, or no such window"}}))
        requests: list[Body] = [json.loads(line) for line in self.uploaded[wanted["input_file_id"]].splitlines()]
        problems = _problems(requests, wanted["endpoint"])
        batch = Begun(f"batch_{len(self.begun) + 1}", wanted["input_file_id"], requests, list(self.states), problems)
        self.begun[batch.id] = batch
        return self._told("begun", headers) or _json(_shown(batch))

    def _list(self, query: str) -> Fault:
        """A page of the batches, the newest first."""
        names = list(reversed(self.begun))
        after = parse_qs(query).get("after", [""])[0]
        rest = names[names.index(after) + 1 :] if after in names else names
        data = [_shown(self.begun[name]) for name in rest[: self._page]]
        return _json({"object": "list", "data": data, "has_more": len(rest) > self._page})

    def _look(self, batch: Begun, ask: Script) -> Fault:
        self.looks += 1
        state = batch.states.pop(0) if len(batch.states) > 1 else batch.states[0]
        if isinstance(state, Fault):
            return state
        status, done, failed = (state, 0, 0) if isinstance(state, str) else state
        batch.status = "failed" if batch.problems else status
        batch.counts = batch.counts or {"total": len(batch.requests), "completed": done, "failed": failed}
        if batch.status in _ENDED and not batch.files:
            self._end(batch, ask)
        return _json(_shown(batch))

    def _cancel(self, batch: Begun) -> Fault:
        batch.status, batch.states = "cancelling", ["cancelled"]
        return _json(_shown(batch))

    def _end(self, batch: Begun, ask: Script) -> None:
        """Makes the files of answers, in another order than that of the requests."""
        cut = len(batch.requests) if self._answered is None else self._answered
        answered, rest = batch.requests[:cut], batch.requests[cut:]
        lines = [_answer(request, ask) for request in answered]
        if batch.status == "expired":
            why = {"code": "batch_expired", "message": "This request was not executed before the window expired."}
            lines += [{"custom_id": request["custom_id"], "response": None, "error": why} for request in rest]
        good = [line for line in lines if line["response"] and line["response"]["status_code"] == 200]
        bad = [line for line in lines if line not in good]
        for kind, found in (("output_file_id", good), ("error_file_id", bad)):
            if found:
                batch.files[kind] = f"{batch.id}-{kind}"
                self._answers[batch.files[kind]] = "".join(json.dumps(line) + "\n" for line in reversed(found))
        batch.counts = {"total": len(batch.requests), "completed": len(good), "failed": len(bad)}


def _answer(request: Body, ask: Script) -> Body:
    answer = ask(request["body"])
    if isinstance(answer, Fault):
        response = {"status_code": answer.code, "body": json.loads(answer.body)}
    else:
        response = {"status_code": 200, "body": as_completion(answer)}
    return {"custom_id": request["custom_id"], "response": response, "error": None}


def _problems(requests: Sequence[Body], endpoint: str) -> list[Body]:
    ids = [request["custom_id"] for request in requests]
    models = {request["body"]["model"] for request in requests}
    problems: list[Body] = []
    if len(set(ids)) < len(ids):
        problems.append({"code": "duplicate_custom_id", "message": "the custom_id is not unique", "line": None})
    if len(models) > 1:
        problems.append({"code": "mismatched_model", "message": "a batch is for one model", "line": 2})
    if any(request["url"] != endpoint for request in requests):
        problems.append({"code": "mismatched_endpoint", "message": "the url is not the endpoint", "line": 1})
    return problems


def _shown(batch: Begun) -> Body:
    told: Body = {"id": batch.id, "object": "batch", "input_file_id": batch.file, "status": batch.status}
    told["request_counts"] = batch.counts
    return {**told, **batch.files, "errors": {"object": "list", "data": batch.problems} if batch.problems else None}


def _json(value: Body) -> Fault:
    return Fault(body=json.dumps(value))


def _name(part: Message) -> object:
    return part.get_param("name", header="content-disposition")


def _content(part: Message | None) -> bytes:
    content = part.get_payload(decode=True) if part is not None else b""
    return content if isinstance(content, bytes) else b""
