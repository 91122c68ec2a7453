"""The questions for one model on their way through batches: found again or sent, watched, and answered."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_metaprompt.clients.address import Address
from pytest_metaprompt.clients.batch_files import BatchFile, Limits, batch_files, read_answers
from pytest_metaprompt.clients.batch_log import BatchLog, Sent
from pytest_metaprompt.clients.batch_server import BatchApi, BatchState, NoNewsError
from pytest_metaprompt.clients.calls import one_line
from pytest_metaprompt.clients.clock import Clock
from pytest_metaprompt.errors import FileAccessError, MetapromptError, ModelCallError
from pytest_metaprompt.results import Reply, Request
from pytest_metaprompt.suites import ModelSpec

PATIENCE = 10
"""So many looks in a row without an answer, and the wait is given up. The batch goes on."""

AGAIN = "run the same command again: what was answered is not asked again"

Answer = Reply | MetapromptError
Tell = Callable[[str, Answer], None]
"""Gives the answer to those who asked for a key."""


@dataclass(slots=True)
class Watched:
    """A batch that is waited for, or was. `asked` are the keys that this run wants of it."""

    sent: Sent
    asked: Sequence[str]
    state: BatchState | None = None
    next_look_s: float | None = None
    replies: int = 0
    given_up: bool = False

    @property
    def counts(self) -> str:
        """How far it is, such as `40/1000 done, 2 failed`."""
        done, failed = (self.state.done, self.state.failed) if self.state else (0, 0)
        return f"{done}/{len(self.sent.keys)} done" + (f", {failed} failed" if failed else "")

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state is not None and self.state.ended and not self.given_up


@dataclass(frozen=True, slots=True)
class Means:
    """What every run needs. `pause` gives the seconds to wait after each look, counted from 0; `warn` takes a line for
    the summary."""

    log: BatchLog
    clock: Clock
    pause: Callable[[int], float]
    warn: Callable[[str], object]
    limits: Limits


class BatchRun:
    """Answers the questions for one model. `watched` is added to, so that others can tell how it goes."""

    def __init__(self, spec: ModelSpec, address: Address, server: BatchApi, means: Means) -> None:
        self._spec = spec
        self._address = address
        self._server = server
        self._means = means

    async def answer(self, asked: Mapping[str, Request], tell: Tell, watched: list[Watched]) -> None:
        """Tells an answer for every key; nothing is raised for a user to see.

        Raises:
            FileAccessError: The log cannot be read or written.
        """
        left = dict(asked)
        under_way = [one for one in self._known(asked) if await self._is_of_use(one, left, tell, watched)]
        async with asyncio.TaskGroup() as group:
            for one in under_way:
                group.create_task(self._watch(one, tell))
            for file in batch_files(left, self._means.limits):
                group.create_task(self._send(file, tell, watched))

    def _known(self, asked: Mapping[str, Request]) -> Iterable[Watched]:
        """The batches of earlier runs that hold some of the questions."""
        here = (self._address.shown, self._spec.name, self._spec.api_key_env)
        taken: set[str] = set()
        found = []
        for sent in self._means.log.read():
            wanted = [key for key in sent.keys if key in asked and key not in taken]
            if wanted and (sent.server, sent.model, sent.api_key_env) == here:
                taken.update(wanted)
                found.append(Watched(sent, wanted))
        return found

    async def _is_of_use(self, known: Watched, left: dict[str, Request], tell: Tell, watched: list[Watched]) -> bool:
        """Whether to wait for a batch of an earlier run. The questions that it will answer, or has, are not `left`.

        What a batch that came to a bad end did not answer is asked again.
        """
        try:
            known.state = await self._server.look(known.sent.batch)
            came_to_nothing = known.state.ended and known.state.status != "completed"
            answers = await self._answers(known) if came_to_nothing else {}
        except NoNewsError:
            came_to_nothing, answers = False, {}
        except ModelCallError:  # The server does not know it any more.
            self._means.log.settle({known.sent.batch: known.sent.keys})
            return False
        watched.append(known)
        for key in known.asked:
            answer = answers.get(key)
            if isinstance(answer, Reply):
                known.replies += 1
                tell(key, answer)
            if isinstance(answer, Reply) or not came_to_nothing:
                left.pop(key, None)
        return not came_to_nothing

    async def _send(self, file: BatchFile, tell: Tell, watched: list[Watched]) -> None:
        """Begins a batch, waits for it, and tells what came."""
        try:
            state = await self._server.begin(await self._server.upload(file.content))
        except ModelCallError as error:
            for key in file.keys:
                tell(key, self._error(f"the batch could not be sent: {error.message}", error.hint))
            return
        digest = hashlib.sha256(file.content).hexdigest()
        here = (self._address.shown, self._spec.name, self._spec.api_key_env)
        one = Watched(Sent(state.id, *here, self._means.clock.date(), digest, file.keys), file.keys, state)
        watched.append(one)
        try:
            self._means.log.add(one.sent)
        except FileAccessError as error:
            self._means.warn(f"batch {state.id} cannot be found again by another run: {error}")
        await self._watch(one, tell)

    async def _watch(self, one: Watched, tell: Tell) -> None:
        try:
            state = await self._end_of(one)
            answers = await self._answers(one)
        except ModelCallError as error:
            one.given_up = True
            for key in one.asked:
                tell(key, self._error(f"batch {one.sent.batch}: {error.message}", error.hint or AGAIN))
            return
        for key in one.asked:
            answer = answers.get(key)
            one.replies += isinstance(answer, Reply)
            if isinstance(answer, MetapromptError):
                answer = self._error(answer.message, None)
            tell(key, answer or self._error(_why_not(one.sent.batch, state), AGAIN))

    async def _end_of(self, one: Watched) -> BatchState:
        """The state in which the batch ended.

        Raises:
            ModelCallError: The server does not know it any more, or has been silent for long.
        """
        silent = 0
        for look in itertools.count():
            try:
                one.state, silent = await self._server.look(one.sent.batch), 0
                if one.state.ended:
                    return one.state
            except NoNewsError:
                silent += 1
                if silent == PATIENCE:
                    raise
            one.next_look_s = self._means.pause(look)
            await self._means.clock.sleep(one.next_look_s)
        raise AssertionError("never counted to the end")

    async def _answers(self, one: Watched) -> dict[str, Reply | ModelCallError]:
        files = one.state.answers if one.state else ()
        contents = [await self._server.fetch(file) for file in files]
        waited_s = max(0.0, self._means.clock.date() - one.sent.began)
        return read_answers(contents, latency_s=waited_s)

    def _error(self, message: str, hint: str | None) -> ModelCallError:
        return ModelCallError(f"{self._spec}: {one_line(self._address.without_key(message))}", hint=hint)


def _why_not(batch: str, state: BatchState) -> str:
    match state.status:
        case "failed":
            return f"batch {batch} failed: {state.problem or 'no reason given'}"
        case "completed":
            return f"batch {batch} has no answer to this request"
        case status:
            return f"batch {batch} was {status} before this request was answered".replace("was expired", "expired")
