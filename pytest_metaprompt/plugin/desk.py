"""The controller's desk under pytest-xdist, where workers ask. Light: it is opened before any suite is met."""

from __future__ import annotations

import secrets
import socket
from contextlib import suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, Listener
from threading import Lock, Thread
from typing import TYPE_CHECKING

import pytest

from pytest_metaprompt.plugin.kinds import kind_of

if TYPE_CHECKING:
    from pytest_metaprompt.plugin.answers import Answers


class Desk:
    """Answers workers until it is closed, each connection in a thread of its own. Only who knows the key is heard."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._key = secrets.token_bytes(32)
        self._listener = Listener(("127.0.0.1", 0), backlog=64, authkey=self._key)
        self._opening = Lock()
        self._answers: Answers | None = None
        self._closed = False
        Thread(target=self._accept, name="metaprompt-desk", daemon=True).start()
        Thread(target=_get_ready, args=(config,), name="metaprompt-ready", daemon=True).start()

    @property
    def address(self) -> tuple[str, int, bytes]:
        """The host, the port and the key, as a worker gets them."""
        host, port = self._listener.address
        return host, port, self._key

    def close(self) -> None:
        """Answer no more questions. Those that wait are answered as soon as the session stops what is under way."""
        if self._closed:
            return
        self._closed = True
        if self._answers is not None:
            self._answers.stopped = True
        with suppress(OSError):  # Wakes the thread that waits for connections.
            socket.create_connection(self.address[:2], timeout=1).close()
        self._listener.close()

    def _accept(self) -> None:
        while not self._closed:
            try:
                wire = self._listener.accept()
            except (AuthenticationError, EOFError, OSError):
                continue
            Thread(target=self._serve, args=(wire,), name="metaprompt-desk", daemon=True).start()

    def _serve(self, wire: Connection) -> None:
        with wire, suppress(EOFError, OSError):
            answers = self._opened()
            while True:
                wire.send_bytes(answers.packed(wire.recv()))

    def _opened(self) -> Answers:
        with self._opening:
            if self._answers is None:
                from pytest_metaprompt.plugin.answers import Answers

                self._answers = Answers(self._config)
            return self._answers


def _has_suites(config: pytest.Config) -> bool:
    """Whether a suite file is in plain sight: named, or directly in a folder that is; most projects have none."""
    places = [config.invocation_params.dir / word.partition("::")[0] for word in config.args]
    files = [file for place in places for file in (place.iterdir() if place.is_dir() else (place,))]
    return any(kind_of(file.name, named=file in places, listed=()) for file in files)


def _get_ready(config: pytest.Config) -> None:
    """Import what the first question needs while the workers start up, if there are suites."""
    with suppress(OSError):  # A folder that cannot be read is for pytest to tell.
        if _has_suites(config):
            import pytest_metaprompt.plugin.answers
            import pytest_metaprompt.plugin.loading  # noqa: F401
