"""The Batch API of a model's server: upload a file, begin a batch, look at it, fetch its answers, cancel it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

import httpx2

from pytest_metaprompt.clients.address import Address
from pytest_metaprompt.clients.batch_files import ENDPOINT
from pytest_metaprompt.clients.calls import one_line
from pytest_metaprompt.clients.clock import Clock
from pytest_metaprompt.clients.completions import error_text
from pytest_metaprompt.errors import ModelCallError

ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
"""The states that a batch does not leave again."""

TRIES = 3
BACKOFF_S = 2.0
TIMEOUT_S = 600.0
"""A file of 200 MB takes its time."""

MOST_PAGES = 50
"""So many pages of a hundred batches are looked through for one."""


class NoNewsError(ModelCallError):
    """The server did not answer, or had no time. What was asked may work later, or may have worked already."""


class GoneError(ModelCallError):
    """The server does not know what was asked for."""


@dataclass(frozen=True, slots=True)
class BatchState:
    """What a server tells of a batch. `problem` is why it failed as a whole."""

    id: str
    status: str
    done: int = 0
    failed: int = 0
    answers: tuple[str, ...] = ()
    problem: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.status in ENDED


class BatchApi(Protocol):
    """What is needed of a server. Each raises `ModelCallError`: `NoNewsError` where it may be tried again, `GoneError`
    where there is nothing of this name."""

    async def upload(self, content: bytes) -> str:
        """The id of the new file."""

    async def begin(self, file: str) -> BatchState:
        """The batch of the requests in a file; `NoNewsError` where it cannot be told whether it was begun."""

    async def find(self, file: str) -> BatchState | None:
        """The batch that was begun of a file; None where there is none."""

    async def look(self, batch: str) -> BatchState:
        """How a batch is."""

    async def fetch(self, file: str) -> bytes:
        """The content of a file of answers."""

    async def cancel(self, batch: str) -> BatchState:
        """The batch, which will end soon."""

    async def close(self) -> None:
        """Lets go of connections."""


class BatchServer:
    """The API over HTTP. The key never shows in a message."""

    def __init__(self, address: Address, *, clock: Clock) -> None:
        self._address = address
        self._clock = clock
        self._headers = {name: value for name, value in address.headers.items() if name.lower() != "content-type"}
        self._http = httpx2.AsyncClient(timeout=TIMEOUT_S)

    async def upload(self, content: bytes) -> str:
        """The id of the new file.

        Raises:
            ModelCallError: The server did not take it.
        """
        parts = {"file": ("requests.jsonl", content, "application/jsonl")}
        answer = await self._patiently("POST", "/files", data={"purpose": "batch"}, files=parts)
        return _text(_object(answer), "id")

    async def begin(self, file: str) -> BatchState:
        """The batch of the requests in a file, and never a second one: where an answer got lost, it is looked for.

        Raises:
            NoNewsError: It cannot be told whether it was begun.
            ModelCallError: The server did not take it.
        """
        lost = NoNewsError("")
        for _ in range(TRIES):
            try:
                return await self._begin_once(file)
            except NoNewsError as error:
                lost = error
            await self._clock.sleep(BACKOFF_S)
            try:
                found = await self.find(file)
            except ModelCallError:
                break  # To begin it again might be to pay for it twice.
            if found is not None:
                return found
        raise lost

    async def _begin_once(self, file: str) -> BatchState:
        wanted = {"input_file_id": file, "endpoint": ENDPOINT, "completion_window": "24h"}
        answer = await self._once("POST", "/batches", json=wanted)
        try:
            return read_state(answer)
        except ModelCallError as error:
            raise NoNewsError(error.message) from None

    async def find(self, file: str) -> BatchState | None:
        """The batch that was begun of a file; None where there is none.

        Raises:
            ModelCallError: The server does not tell its batches.
        """
        query = "limit=100"
        for _ in range(MOST_PAGES):
            page = _object(await self._patiently("GET", "/batches", query=query))
            data = page.get("data")
            batches = [one for one in data if isinstance(one, Mapping)] if isinstance(data, list) else []
            found = next((one for one in batches if one.get("input_file_id") == file), None)
            if found is not None:
                return _state(found)
            if not batches or page.get("has_more") is not True:
                return None
            query = f"limit=100&after={quote(_text(batches[-1], 'id'))}"
        raise ModelCallError(f"{self._address.shown} has too many batches to find one")

    async def look(self, batch: str) -> BatchState:
        """How a batch is.

        Raises:
            NoNewsError: The server did not say.
            ModelCallError: The server does not know the batch, or the key.
        """
        return read_state(await self._once("GET", f"/batches/{batch}"))

    async def fetch(self, file: str) -> bytes:
        """The content of a file of answers.

        Raises:
            ModelCallError: The server did not give it.
        """
        return await self._patiently("GET", f"/files/{file}/content")

    async def cancel(self, batch: str) -> BatchState:
        """The batch, which will end soon.

        Raises:
            ModelCallError: The server did not do it.
        """
        return read_state(await self._patiently("POST", f"/batches/{batch}/cancel"))

    async def close(self) -> None:
        """Lets go of connections."""
        await self._http.aclose()

    async def _patiently(self, method: str, path: str, *, query: str = "", **sent: object) -> bytes:
        for _ in range(TRIES - 1):
            try:
                return await self._once(method, path, query=query, **sent)
            except NoNewsError:
                await self._clock.sleep(BACKOFF_S)
        return await self._once(method, path, query=query, **sent)

    async def _once(self, method: str, path: str, *, query: str = "", **sent: object) -> bytes:
        url = self._address.url(path, query=query)
        try:
            answer = await self._http.request(method, url, headers=self._headers, **sent)  # type: ignore[arg-type]  # json, data and files, as above
        except httpx2.HTTPError as error:
            said = str(error) or type(error).__name__
            raise NoNewsError(f"no answer from {self._address.shown}: {said}") from None
        # What is not read can neither be shown nor stored.
        text = self._address.without_secrets(answer.content.decode("utf-8", errors="replace"))
        if answer.status_code < 300:
            return text.encode()
        raise self._refusal(answer.status_code, text)

    def _refusal(self, status: int, body: str) -> ModelCallError:
        if status == 401:
            return ModelCallError(f"401: {self._address.about_key()}")
        said = one_line(_explanation(body))
        if status in (408, 409, 429) or status >= 500:
            return NoNewsError(f"{status}: {said}")
        if status in (404, 405):
            hint = "if the server has no Batch API, leave out --metaprompt-batch"
            return GoneError(f"{status} from {self._address.shown}: {said}", hint=hint)
        return ModelCallError(f"{status}: {said}")


def read_state(raw: bytes) -> BatchState:
    """The state that a server tells.

    Raises:
        ModelCallError: It is none.
    """
    return _state(_object(raw))


def _state(told: Mapping[object, object]) -> BatchState:
    counts = told.get("request_counts")
    counted = counts if isinstance(counts, Mapping) else {}
    files = (told.get("output_file_id"), told.get("error_file_id"))
    return BatchState(
        _text(told, "id"),
        _text(told, "status"),
        _number(counted.get("completed")),
        _number(counted.get("failed")),
        tuple(file for file in files if isinstance(file, str) and file),
        _problem(told.get("errors")),
    )


def _problem(errors: object) -> str:
    data = errors.get("data") if isinstance(errors, Mapping) else None
    found = [_problem_line(error) for error in data if isinstance(error, Mapping)] if isinstance(data, list) else []
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return one_line("; ".join(found[:3]) + more)


def _problem_line(error: Mapping[object, object]) -> str:
    said, line = str(error.get("message") or error.get("code") or "no reason given"), error.get("line")
    return f"line {line}: {said}" if isinstance(line, int) else said


def _object(raw: bytes) -> Mapping[object, object]:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, Mapping):
        raise ModelCallError(f"the answer is not a JSON object: {one_line(raw.decode(errors='replace'))}")
    return value


def _text(told: Mapping[object, object], key: str) -> str:
    value = told.get(key)
    if not isinstance(value, str) or not value:
        raise ModelCallError(f"the answer has no {key}: {one_line(json.dumps(told, default=repr))}")
    return value


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _explanation(text: str) -> str:
    try:
        return error_text(json.loads(text))
    except (ValueError, RecursionError):
        return text or "(no body)"
