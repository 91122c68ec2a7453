"""The controller's desk under pytest-xdist, where workers ask. Light: it is opened before any suite is met."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from pytest_metaprompt import __version__
from pytest_metaprompt.plugin.kinds import kind_of
from pytest_metaprompt.plugin.watch import Watch
from pytest_metaprompt.plugin.wires import Channel, send_whole_messages

if TYPE_CHECKING:
    from pytest_metaprompt.plugin.answers import Answers


class Worker(Protocol):
    """What we use of a worker as pytest-xdist's controller sees it."""

    workerinput: dict[str, object]
    gateway: Any


class Desk:
    """Answers workers until it is closed, each question in a thread of its own."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._channels: list[Channel] = []  # execnet closes one that nobody holds.
        self._opening = Lock()
        self._answers: Answers | None = None
        self._closed = False
        self._watch = Watch()
        config.pluginmanager.register(self._watch, "metaprompt-watch")
        Thread(target=_get_ready, args=(config,), name="metaprompt-ready", daemon=True).start()

    def line_for(self, node: Worker) -> tuple[Channel, str]:
        """What a worker is given to ask with: a channel to here, and which version of ours is at this end."""
        channel: Channel = node.gateway.newchannel()
        send_whole_messages(node.gateway)
        channel.setcallback(partial(self._heard, channel), endmarker=None)
        self._channels.append(channel)
        return channel, __version__

    def left(self, node: Worker, *, died: bool) -> None:
        """Do not count on a worker any more."""
        if self._answers is not None:
            self._answers.crew.left(node.gateway.id, died=died)

    def stop_watching(self) -> None:
        """Show no more how far the run is."""
        self._watch.end()

    def close(self) -> None:
        """Answer no more questions. Those that wait are answered as soon as the session stops what is under way."""
        self._closed = True
        self._watch.end()
        if self._answers is not None:
            self._answers.stop()

    def _heard(self, channel: Channel, message: tuple[int, bytes] | None) -> None:
        if message is not None:
            Thread(target=self._serve, args=(channel, *message), name="metaprompt-desk", daemon=True).start()

    def _serve(self, channel: Channel, number: int, question: bytes) -> None:
        answer = b""
        try:
            answers = self._opened()
            answer = answers.packed(question) if question else answer
        finally:  # Whatever went wrong here, nobody waits for ever.
            with suppress(OSError):  # The worker is gone, and pytest-xdist tells so.
                channel.send((number, answer))

    def _opened(self) -> Answers:
        with self._opening:
            if self._answers is None:
                from pytest_metaprompt.plugin.answers import Answers

                self._answers = Answers(self._config)
                if self._closed:
                    self._answers.stop()
                self._watch.begin(self._answers.show_progress, self._answers.end_progress)
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
