"""The one line that tells how far a run is and what it waits for, so that it never looks as if it hung."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from threading import Lock

import pytest
from _pytest.capture import CaptureManager
from _pytest.terminal import TerminalReporter

from pytest_metaprompt.plugin.columns import cut_end
from pytest_metaprompt.plugin.progress import Progress

SHOWN_EVERY_S = 1.0
"""How often the line on a terminal is renewed."""

LOGGED_EVERY_S = 15.0
"""How often a wait is written where lines stay, as in the log of a CI run."""

PROGRESS_AFTER_S = 10.0
"""How soon progress is written there again, if a tenth of the cases ended meanwhile."""

PROGRESS_EVERY_S = 60.0
"""When it is written again at the latest, if any case ended."""

_DOWN, _CLEAR, _UP = "\n\r", "\x1b[2K", "\x1b[1A\r"


class Waiting:
    """A line below the one that pytest writes, renewed in place and taken away before pytest goes on; where lines stay,
    a line now and then. Nothing under -qq, without a terminal reporter, or with one that draws by itself."""

    def __init__(
        self,
        config: pytest.Config,
        *,
        clock: Callable[[], float] = time.monotonic,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._config = config
        self._clock = clock
        self._in_place = not environ.get("CI") and environ.get("TERM") != "dumb"
        self._lock = Lock()
        self._drawn = False
        self._logged_at: float | None = None
        self._told_at = clock()
        self._told_share = 0.0

    def show(self, wait: str | None, progress: Progress | None = None) -> None:
        """Show what is waited for and how far the cases are; None is nothing."""
        terminal = self._terminal()
        if terminal is None or terminal.verbosity < -1 or (wait is None and progress is None):
            return
        with self._lock:
            if terminal.isatty and self._in_place:
                self._draw(terminal, ", ".join(str(one) for one in (progress, wait) if one is not None))
            elif wait is not None and self._is_due():
                self._logged_at = self._clock()
                _write(terminal, wait)
            elif progress is not None and self._is_worth_telling(progress):
                self._told_at, self._told_share = self._clock(), progress.share
                _write(terminal, f"metaprompt: {progress}")

    def end(self) -> None:
        """Take the line away."""
        terminal = self._terminal()
        if terminal is not None:
            with self._lock:
                self._erase(terminal)

    def write(self, text: str) -> None:
        """Write a line that stays, from any thread."""
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if isinstance(terminal, TerminalReporter):
            with self._lock:
                self._erase(terminal)
                _write(terminal, text)

    def _terminal(self) -> TerminalReporter | None:
        found = self._config.pluginmanager.get_plugin("terminalreporter")
        # One that is derived from pytest's own, such as pytest-sugar's, draws lines by itself.
        return found if type(found) is TerminalReporter else None

    def _is_due(self) -> bool:
        return self._logged_at is None or self._clock() - self._logged_at >= LOGGED_EVERY_S

    def _is_worth_telling(self, progress: Progress) -> bool:
        since, more = self._clock() - self._told_at, progress.share - self._told_share
        return (since >= PROGRESS_AFTER_S and more >= 0.099) or (since >= PROGRESS_EVERY_S and more > 0)

    def _draw(self, terminal: TerminalReporter, text: str) -> None:
        column = terminal._tw.width_of_current_line
        if column and column % terminal._tw.fullwidth == 0:
            return  # The cursor stands behind the last column, and no sequence brings it back there.
        line = cut_end(text, terminal._tw.fullwidth - 1)
        _raw(terminal, f"{_DOWN}{_CLEAR}{line}{_UP}{_right(terminal)}")
        self._drawn = True

    def _erase(self, terminal: TerminalReporter) -> None:
        if self._drawn:
            _raw(terminal, f"{_DOWN}{_CLEAR}{_UP}{_right(terminal)}")
            self._drawn = False


def _right(terminal: TerminalReporter) -> str:
    """Back to where pytest stopped writing; a line of its own may have gone round."""
    column = terminal._tw.width_of_current_line % terminal._tw.fullwidth
    return f"\x1b[{column}C" if column else ""


def _raw(terminal: TerminalReporter, text: str) -> None:
    """Past pytest's own count of what is on its line, and past its capture, which is on while a test waits."""
    with _uncaptured(terminal):
        terminal._tw._file.write(text)
        terminal._tw._file.flush()


def _write(terminal: TerminalReporter, text: str) -> None:
    with _uncaptured(terminal):
        terminal.ensure_newline()
        terminal.write_line(text)
        terminal.flush()


def _uncaptured(terminal: TerminalReporter) -> AbstractContextManager[None]:
    manager = terminal.config.pluginmanager.get_plugin("capturemanager")
    return manager.global_and_fixture_disabled() if isinstance(manager, CaptureManager) else nullcontext()
