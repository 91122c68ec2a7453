"""The questions for one model on their way through batches: found again or sent, watched, and answered."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_metaprompt.clients.address import Address
from pytest_metaprompt.clients.batch_files import BatchFile, Limits, batch_files, read_answers
from pytest_metaprompt.clients.batch_log import BatchLog, Sent
from pytest_metaprompt.clients.batch_server import BatchApi, BatchState, GoneError, NoNewsError
from pytest_metaprompt.clients.calls import one_line
from pytest_metaprompt.clients.clock import Clock
from pytest_metaprompt.errors import FileAccessError, MetapromptError, ModelCallError
from pytest_metaprompt.results import Reply, Request
from pytest_metaprompt.suites import ModelSpec

PATIENCE = 10
"""So many looks in a row without an answer, and the wait is given up. The batch goes on."""

AGAIN = "run the same command again: what was answered is not asked again"

LOOK_FIRST = "run the same command again: it looks for the batch before it sends another"

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
    gone: bool = False

    @property
    def counts(self) -> str:
        """How far it is, such as `40/1000 done, 2 failed`."""
        done, failed = (self.state.done, self.state.failed) if self.state else (0, 0)
        return f"{done}/{len(self.sent.keys)} done" + (f", {failed} failed" if failed else "")

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.gone or (self.state is not None and self.state.ended and not self.given_up)


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

        What a batch that came to a bad end did not answer is asked again, and so is what the server has forgotten.
        """
        try:
            ended = await self._look_at(known)
            answers = await self._answers(known) if ended else {}
        except GoneError:
            self._forget(known.sent)
            return False
        except ModelCallError as error:
            if not isinstance(error, NoNewsError) or not known.sent.batch:
                self._leave(known, left, tell, error)
                return False
            ended, answers = False, {}
        watched.append(known)
        whole = not ended or (known.state is not None and known.state.status == "completed")
        for key in known.asked:
            if whole or isinstance(answers.get(key), Reply):
                left.pop(key, None)
                if ended:
                    self._tell(known, key, answers.get(key), tell)
        return not ended

    async def _look_at(self, known: Watched) -> bool:
        """Whether it has ended. One that has no name yet gets it, if it was begun.

        Raises:
            GoneError: The server does not know it, or it was never begun.
            ModelCallError: The server does not tell.
        """
        if known.sent.batch:
            known.state = await self._server.look(known.sent.batch)
        else:
            known.state = await self._server.find(known.sent.file)
            if known.state is None:
                raise GoneError(f"no batch of {known.sent.file}")
            known.sent = replace(known.sent, batch=known.state.id)
            self._note(known.sent)
        return known.state.ended

    def _leave(self, known: Watched, left: dict[str, Request], tell: Tell, error: ModelCallError) -> None:
        """Neither waits for a batch of which nothing can be found out now, nor sends its questions again."""
        for key in known.asked:
            left.pop(key, None)
            tell(key, self._error(f"batch {known.sent.name}: {error.message}", error.hint or LOOK_FIRST))

    async def _send(self, file: BatchFile, tell: Tell, watched: list[Watched]) -> None:
        """Begins a batch, waits for it, and tells what came."""
        sent: Sent | None = None
        try:
            name = await self._server.upload(file.content)
            sent = self._sent(file, name)
            noted = self._note(sent)
            state = await self._server.begin(name)
        except ModelCallError as error:
            lost = sent is not None and isinstance(error, NoNewsError)
            if sent is not None and not lost:
                self._forget(sent)
            hint = error.hint or (LOOK_FIRST if lost else None)
            for key in file.keys:
                tell(key, self._error(f"the batch could not be sent: {error.message}", hint))
            return
        one = Watched(replace(sent, batch=state.id), file.keys, state)
        watched.append(one)
        trouble = noted or self._note(one.sent)
        if trouble is not None:
            self._means.warn(f"batch {state.id} cannot be found again by another run: {trouble}")
        await self._watch(one, tell)

    def _sent(self, file: BatchFile, name: str) -> Sent:
        digest = hashlib.sha256(file.content).hexdigest()
        here = (self._address.shown, self._spec.name, self._spec.api_key_env)
        return Sent("", *here, self._means.clock.date(), digest, file.keys, name)

    def _note(self, sent: Sent) -> FileAccessError | None:
        """Writes into the log what is known of a batch; what went wrong, if anything."""
        try:
            self._means.log.add(sent)
        except FileAccessError as error:
            return error
        return None

    def _forget(self, sent: Sent) -> None:
        try:
            self._means.log.settle({sent.name: sent.keys})
        except FileAccessError as error:
            self._means.warn(f"the list of batches is not up to date: {error}")

    async def _watch(self, one: Watched, tell: Tell) -> None:
        try:
            await self._wait_for_end(one)
            answers = await self._answers(one)
        except ModelCallError as error:
            one.gone = isinstance(error, GoneError)
            one.given_up = not one.gone
            for key in one.asked:
                tell(key, self._error(f"batch {one.sent.batch}: {error.message}", error.hint or AGAIN))
            return
        for key in one.asked:
            self._tell(one, key, answers.get(key), tell)

    def _tell(self, one: Watched, key: str, answer: Reply | ModelCallError | None, tell: Tell) -> None:
        """Tells what an ended batch says to a question."""
        one.replies += isinstance(answer, Reply)
        if isinstance(answer, ModelCallError):
            answer = self._error(answer.message, None)
        tell(key, answer or self._error(_why_not(one), AGAIN))

    async def _wait_for_end(self, one: Watched) -> None:
        """Returns when the batch has ended.

        Raises:
            ModelCallError: The server does not know it any more, or has been silent for long.
        """
        silent = 0
        for look in itertools.count():
            try:
                one.state, silent = await self._server.look(one.sent.batch), 0
                if one.state.ended:
                    return
            except NoNewsError:
                silent += 1
                if silent == PATIENCE:
                    raise
            one.next_look_s = self._means.pause(look)
            await self._means.clock.sleep(one.next_look_s)

    async def _answers(self, one: Watched) -> dict[str, Reply | ModelCallError]:
        files = one.state.answers if one.state else ()
        contents = [await self._server.fetch(file) for file in files]
        waited_s = max(0.0, self._means.clock.date() - one.sent.began)
        return read_answers(contents, latency_s=waited_s)

    def _error(self, message: str, hint: str | None) -> ModelCallError:
        return ModelCallError(f"{self._spec}: {one_line(self._address.without_secrets(message))}", hint=hint)


def _why_not(one: Watched) -> str:
    batch, state = one.sent.batch, one.state
    match state.status if state is not None else "completed":
        case "failed":
            return f"batch {batch} failed: {(state.problem if state else '') or 'no reason given'}"
        case "completed":
            return f"batch {batch} has no answer to this request"
        case status:
            return f"batch {batch} was {status} before this request was answered".replace("was expired", "expired")
