"""A run through the provider's Batch API: what is sent with it, what stays live, and what the user is told."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from pytest_metaprompt.clients.address import Address, read_address
from pytest_metaprompt.clients.batch import BatchedClient, Gathering
from pytest_metaprompt.clients.batch_files import Limits
from pytest_metaprompt.clients.batch_log import BatchLog
from pytest_metaprompt.clients.batch_run import Means, Watched
from pytest_metaprompt.clients.batch_server import BatchServer
from pytest_metaprompt.clients.clock import SystemClock
from pytest_metaprompt.clients.room import Room, RoomClient
from pytest_metaprompt.errors import FileAccessError
from pytest_metaprompt.files import OWN_FOLDER
from pytest_metaprompt.plugin.options import Options
from pytest_metaprompt.protocols import Client
from pytest_metaprompt.results import Usage
from pytest_metaprompt.suites import ModelSpec

PROVIDERS = frozenset({"openai"})
"""The providers whose models can be asked through the API."""

FIRST_POLL_S = 5.0
LONGEST_POLL_S = 60.0


class Batching:
    """The batches of a session. `notes` holds lines for the summary."""

    def __init__(self, options: Options, *, root: Path) -> None:
        self.notes: list[str] = []
        self._clock = SystemClock()
        self._servers: dict[tuple[str, str | None], BatchServer] = {}
        self._room = Room(options.concurrency)
        means = Means(
            BatchLog(root / OWN_FOLDER), self._clock, _pauses(options.batch_poll_s), self.notes.append, Limits()
        )
        self._gathering = Gathering(means, open_account=self._account)

    def live(self, client: Client) -> Client:
        """The client, held back where too many live calls are under way: the runner asks without a limit here."""
        return RoomClient(client, self._room)

    def takes(self, spec: ModelSpec) -> bool:
        """Whether a model can be asked through a batch."""
        return spec.provider in PROVIDERS

    def batched(self, live: Client, price: Callable[[Usage], float | None]) -> Client:
        """The client that asks through a batch, and live once it was sent."""
        return BatchedClient(live, self._gathering, price)

    def state(self) -> str | None:
        """What is waited for, such as `batch batch_1: 40/1000 done, 2 failed, next look in 30 s`."""
        lines = [_line(one) for one in self._gathering.watched if not one.ended and one.next_look_s is not None]
        return "; ".join(lines) or None

    async def close(self) -> None:
        """Let go of connections, forget the batches that are answered, and note what is to be told."""
        for server in self._servers.values():
            await server.close()
        self._servers.clear()
        try:
            self._gathering.settle()
        except FileAccessError as error:
            self.notes.append(f"the list of batches is not up to date: {error}")
        self.notes.extend(self._told())

    def _account(self, spec: ModelSpec) -> tuple[Address, BatchServer]:
        address = read_address(spec, os.environ)
        account = (address.base_url, address.key)
        if account not in self._servers:
            self._servers[account] = BatchServer(address, clock=self._clock)
        return address, self._servers[account]

    def _told(self) -> Iterator[str]:
        for one in self._gathering.watched:
            if one.ended:
                yield (
                    f"batch {one.sent.batch}: {one.replies} of {len(one.asked)} requests answered, "
                    "at half of the usual price"
                )
            else:
                yield _unfinished(one)
        live = [f"{count} to {model}" for model, count in sorted(self._room.calls.items())]
        if live:
            yield f"calls made live, beside or after the batch: {', '.join(live)}"


def _pauses(fixed_s: float | None) -> Callable[[int], float]:
    if fixed_s is not None:
        return lambda look: fixed_s
    return lambda look: min(LONGEST_POLL_S, FIRST_POLL_S * 2.0 ** min(look, 10))


def _line(one: Watched) -> str:
    return f"batch {one.sent.batch}: {one.counts}, next look in {one.next_look_s:g} s"


def _unfinished(one: Watched) -> str:
    return (
        f"batch {one.sent.batch} goes on at the provider ({one.counts}): run the same command again to wait for it, "
        f"or cancel it: python -m pytest_metaprompt batches --cancel {one.sent.batch}"
    )
