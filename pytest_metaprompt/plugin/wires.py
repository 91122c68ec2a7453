"""A worker's end of the connections to the controller's desk. Light: a worker with suites opens it first of all."""

from __future__ import annotations

import threading
from multiprocessing.connection import Client as connect  # noqa: N813  # it is a function
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from pytest_metaprompt.plugin.questions import Question

Value = TypeVar("Value")


class Wires:
    """Asks the desk, over one connection for each thread that does."""

    def __init__(self, host: str, port: int, key: bytes) -> None:
        self._address = (host, port)
        self._key = key
        self._own = threading.local()

    def knock(self) -> None:
        """Connect, so that the controller gets ready while the worker does."""
        self._wire()

    def ask(self, question: Question[Value]) -> Value:
        """The answer, waiting for it.

        Raises:
            StoppedError: The session ended before there was one.
            Exception: Whatever went wrong in the controller.
        """
        from pytest_metaprompt.plugin.questions import Raised
        from pytest_metaprompt.plugin.session import StoppedError

        try:
            wire = self._wire()
            wire.send(question)
            answer = wire.recv()
        except (EOFError, OSError) as error:
            raise StoppedError("the controller of the run is gone") from error
        if isinstance(answer, Raised):
            raise answer.error
        return cast("Value", answer)  # The desk answers each question with what its type says.

    def _wire(self) -> Connection:
        if not hasattr(self._own, "wire"):
            self._own.wire = connect(self._address, authkey=self._key)
        wire: Connection = self._own.wire
        return wire
