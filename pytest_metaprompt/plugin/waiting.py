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

from pytest_metaprompt.plugin.progress import Progress
from pytest_metaprompt.plugin.terminal import terminal_of
from pytest_metaprompt.reports.text_tables import cut_end

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
        terminal = terminal_of(self._config)
        if terminal is not None:
            with self._lock:
                self._erase(terminal)
                _write(terminal, text)

    def _terminal(self) -> TerminalReporter | None:
        found = terminal_of(self._config)
        # One that is derived from pytest's own, such as pytest-sugar's, draws lines by itself.
        return found if type(found) is TerminalReporter else None

    def _is_due(self) -> bool:
        return self._logged_at is None or self._clock() - self._logged_at >= LOGGED_EVERY_S

    def _is_worth_telling(self, progress: Progress) -> bool:
        since, more = self._clock() - self._told_at, progress.share - self._told_share
        return (since >= PROGRESS_AFTER_S and more >= 0.099) or (since >= PROGRESS_EVERY_S and more > 0)

    def _draw(self, terminal: TerminalReporter, text: str) -> None:
        self._drawn = _below(terminal, text) or self._drawn

    def _erase(self, terminal: TerminalReporter) -> None:
        if self._drawn:
            _below(terminal, "")
            self._drawn = False


def _below(terminal: TerminalReporter, text: str) -> bool:
    """Put a text on the line below, and the cursor back to where pytest stopped writing; whether that could be done."""
    # Only without capture, which is on while a test waits, has the output a width, and is it seen.
    with _uncaptured(terminal):
        writer = terminal._tw
        width, written = writer.fullwidth, writer.width_of_current_line
        # A line of pytest's own may have gone round the edge; behind the last column nothing brings the cursor back.
        if written and written % width == 0:
            return False
        right = f"\x1b[{written % width}C" if written else ""
        # Past pytest's own count of what is on its line.
        writer._file.write(f"{_DOWN}{_CLEAR}{cut_end(text, width - 1)}{_UP}{right}")
        writer._file.flush()
        return True


def _write(terminal: TerminalReporter, text: str) -> None:
    with _uncaptured(terminal):
        terminal.ensure_newline()
        terminal.write_line(text)
        terminal.flush()


def _uncaptured(terminal: TerminalReporter) -> AbstractContextManager[None]:
    manager = terminal.config.pluginmanager.get_plugin("capturemanager")
    return manager.global_and_fixture_disabled() if isinstance(manager, CaptureManager) else nullcontext()
