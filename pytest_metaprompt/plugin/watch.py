"""Shows how far a run is while pytest-xdist waits for its workers. Light: every controller has one."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import Event, RLock, Thread

import pytest

EVERY_S = 1.0
"""How often is looked whether there is something to show, and how long pytest must have written nothing."""

Passed = Generator[None, object, object]


class Watch:
    """Draws from a thread of its own, because pytest's own waits inside of pytest-xdist then. Before pytest writes, the
    line is taken away, and while it writes nothing is drawn."""

    def __init__(self) -> None:
        self._writing = RLock()
        self._ended = Event()
        self._written_at = time.monotonic()
        self._erase: Callable[[], object] | None = None

    def begin(self, show: Callable[[], object], erase: Callable[[], object]) -> None:
        """Show, now and then, until the end."""
        self._erase = erase
        Thread(target=self._watch, args=(show,), name="metaprompt-watch", daemon=True).start()

    def end(self) -> None:
        """Take the line away, and draw no other."""
        self._ended.set()
        with self._aside():
            pass

    def _watch(self, show: Callable[[], object]) -> None:
        while not self._ended.wait(EVERY_S):
            with self._writing:
                if not self._ended.is_set() and time.monotonic() - self._written_at >= EVERY_S:
                    show()

    @contextmanager
    def _aside(self) -> Generator[None]:
        with self._writing:
            if self._erase is not None:
                self._erase()
            try:
                yield
            finally:
                self._written_at = time.monotonic()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logstart(self) -> Passed:
        """Make room for what is written of a test that begins."""
        with self._aside():
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self) -> Passed:
        """Make room for a test's letter."""
        with self._aside():
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logfinish(self) -> Passed:
        """Make room for the share that is done."""
        with self._aside():
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True, optionalhook=True)
    def pytest_testnodedown(self) -> Passed:
        """Make room for what pytest-xdist says of a worker that is gone."""
        with self._aside():
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True, optionalhook=True)
    def pytest_xdist_node_collection_finished(self) -> Passed:
        """Make room for what pytest-xdist says of a worker that is ready."""
        with self._aside():
            return (yield)
