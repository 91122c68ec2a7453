"""Many questions answered through the provider's Batch API: gathered, sent together, and answered one by one.

A batch takes up to a day and costs half. It outlives the run: the log of batches tells the next run what is under way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace

from pytest_metaprompt.clients.address import Address
from pytest_metaprompt.clients.batch_run import Answer, BatchRun, Means, Watched
from pytest_metaprompt.clients.batch_server import BatchApi
from pytest_metaprompt.clients.calls import CancelledCallError
from pytest_metaprompt.clients.recorded import request_key
from pytest_metaprompt.errors import MetapromptError
from pytest_metaprompt.protocols import Client
from pytest_metaprompt.results import Reply, Request, Usage
from pytest_metaprompt.suites import ModelSpec

SHARE_OF_PRICE = 0.5
"""What a request in a batch costs, as a share of its usual price."""

QUIET_PASSES = 20
"""So many turns of the event loop without a new question, and all are there that can come without waiting."""

OpenAccount = Callable[[ModelSpec], tuple[Address, BatchApi]]
"""The server of a model, with the account that its key names. Raises `SetupError`."""


@dataclass(slots=True)
class _Question:
    request: Request
    askers: list[asyncio.Future[Reply]] = field(default_factory=list)


class Gathering:
    """Collects the questions that are asked at the same time, and answers them all from batches.

    There is one wave: what is asked after it was sent is not taken.
    """

    def __init__(self, means: Means, *, open_account: OpenAccount) -> None:
        self.watched: list[Watched] = []
        self._means = means
        self._open_account = open_account
        self._questions: dict[str, _Question] = {}
        self._arrived = 0
        self._closed = False
        self._driver: asyncio.Task[None] | None = None

    async def answer(self, request: Request) -> Reply | None:
        """The reply from a batch; None where the wave is over, and a live call is to be made.

        Raises:
            ModelCallError: The batch ended without a reply to this request.
            SetupError: The server cannot be asked at all.
        """
        if self._closed:
            return None
        asker: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._questions.setdefault(request_key(request), _Question(request)).askers.append(asker)
        self._arrived += 1
        driver = self._driver = self._driver or asyncio.create_task(self._drive())
        try:
            return await asker
        except asyncio.CancelledError:
            if self._nobody_waits():
                driver.cancel()
            raise CancelledCallError(made=int(self._closed)) from None

    def settle(self) -> None:
        """Takes out of the log what was answered. To be called when the replies are safe.

        Raises:
            FileAccessError: The log cannot be written.
        """
        done = {one.sent.name: one.asked for one in self.watched if one.ended}
        if done:
            self._means.log.settle(done)

    def _nobody_waits(self) -> bool:
        return all(asker.done() for question in self._questions.values() for asker in question.askers)

    async def _drive(self) -> None:
        """Sends what was gathered and answers it. Whatever goes wrong reaches those who asked."""
        await self._gather()
        self._closed = True
        try:
            async with asyncio.TaskGroup() as group:
                for asked in _by_model([question.request for question in self._questions.values()]):
                    group.create_task(self._ask_model(asked))
        except ExceptionGroup as group_of_bugs:
            for key in self._questions:
                self._fail(key, group_of_bugs)

    async def _gather(self) -> None:
        quiet, known = 0, 0
        while quiet < QUIET_PASSES:
            await asyncio.sleep(0)
            quiet, known = (quiet + 1, known) if self._arrived == known else (0, self._arrived)

    async def _ask_model(self, asked: Mapping[str, Request]) -> None:
        spec = next(iter(asked.values())).model
        try:
            address, server = self._open_account(spec)
            await BatchRun(spec, address, server, self._means).answer(asked, self._tell, self.watched)
        except MetapromptError as error:
            for key in asked:
                self._tell(key, error)

    def _tell(self, key: str, answer: Answer) -> None:
        if isinstance(answer, MetapromptError):
            self._fail(key, answer)
            return
        for asker in self._questions[key].askers:
            if not asker.done():
                asker.set_result(answer)

    def _fail(self, key: str, error: Exception) -> None:
        for asker in self._questions[key].askers:
            if not asker.done():
                asker.set_exception(copy(error))  # One of its own, or the traceback would grow with every asker.


def _by_model(requests: Sequence[Request]) -> list[dict[str, Request]]:
    """The requests by their keys, for each model of each account: a file holds those of one."""
    found: dict[tuple[str, str | None, str | None], dict[str, Request]] = {}
    for request in requests:
        spec = request.model
        found.setdefault((spec.name, spec.base_url, spec.api_key_env), {})[request_key(request)] = request
    return list(found.values())


class BatchedClient:
    """Asks through a gathering, and live once its wave is over. `price` gives the usual dollars of a call, if known."""

    def __init__(self, live: Client, gathering: Gathering, price: Callable[[Usage], float | None]) -> None:
        self._live = live
        self._gathering = gathering
        self._price = price

    async def ask(self, request: Request) -> Reply:
        """The reply.

        Raises:
            ModelCallError: There is none.
            SetupError: The server cannot be asked at all.
        """
        reply = await self._gathering.answer(request)
        if reply is None:
            return await self._live.ask(request)
        usual = self._price(reply.usage)
        return reply if usual is None else replace(reply, cost_usd=SHARE_OF_PRICE * usual)
