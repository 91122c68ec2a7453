"""A worker's end of the line to the controller: a channel of the gateway that pytest-xdist opened, wherever the worker
is. Light: a worker with suites opens it first of all."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from queue import SimpleQueue
from threading import RLock
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from pytest_metaprompt.plugin.packing import Packing

if TYPE_CHECKING:
    from pytest_metaprompt.plugin.questions import Question

Value = TypeVar("Value")


class Channel(Protocol):
    """What we use of a channel of execnet. The callback runs in the thread that receives everything from the other
    end, pytest-xdist's own messages too, so it must not wait for anything; None tells it that the other end is gone."""

    gateway: Any

    def send(self, item: object) -> None:
        """Raises OSError if the other end is gone."""

    def setcallback(self, callback: Callable[[Any], object], endmarker: object) -> None:
        """Have what comes given to the callback, and the endmarker when no more can."""


class Wires:
    """Asks the desk, from any thread."""

    def __init__(self, channel: Channel, packing: Packing) -> None:
        self._channel = channel
        self._packing = packing
        self._numbers = itertools.count(1)
        self._waiting: dict[int, SimpleQueue[bytes | None]] = {}
        self._cut = False
        send_whole_messages(channel.gateway)
        channel.setcallback(self._answered, endmarker=None)

    def knock(self) -> None:
        """Have the controller get ready while the worker does."""
        self._channel.send((0, b""))

    def ask(self, question: Question[Value]) -> Value:
        """The answer, waiting for it.

        Raises:
            StoppedError: The session ended before there was one.
            Exception: Whatever went wrong in the controller.
        """
        from pytest_metaprompt.plugin.questions import Raised

        answer = self._packing.unpack(self._exchanged(self._packing.pack(question)))
        if isinstance(answer, Raised):
            raise answer.error
        return cast("Value", answer)  # The desk answers each question with what its type says.

    def _exchanged(self, question: bytes) -> bytes:
        from pytest_metaprompt.plugin.session import StoppedError

        number, answers = next(self._numbers), SimpleQueue[bytes | None]()
        self._waiting[number] = answers
        try:
            if not self._cut:
                self._channel.send((number, question))
            answer = None if self._cut else answers.get()
        except OSError:
            answer = None
        finally:
            del self._waiting[number]
        if not answer:
            raise StoppedError("the controller of the run is gone" if answer is None else "the controller broke")
        return answer

    def _answered(self, message: tuple[int, bytes] | None) -> None:
        if message is None:
            self._cut = True
            for answers in list(self._waiting.values()):
                answers.put(None)
        elif (asker := self._waiting.get(message[0])) is not None:
            asker.put(message[1])


def send_whole_messages(gateway: Any) -> None:  # noqa: ANN401  # execnet's own, which has no types for this
    """Let the messages of different threads go out one after the other.

    execnet gives each message to its connection in one call, from whichever thread sends. That of a socket goes on in
    pieces where the other end is slow to read, and pieces of two threads' messages would mix. pytest-xdist sends from
    one thread and need not care; we send from several. One gateway may be reached through another (`via`).
    """
    connection = gateway._io
    if hasattr(connection, "metaprompt_lock"):
        return
    lock, write = RLock(), connection.write

    def write_whole(data: bytes) -> None:
        with lock:
            write(data)

    connection.metaprompt_lock, connection.write = lock, write_whole
    behind = getattr(connection, "iochan", None)
    if behind is not None:
        send_whole_messages(behind.gateway)
