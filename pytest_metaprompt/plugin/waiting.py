"""Shows what a long wait is for, so that a run that is held up never looks as if it hung."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import pytest
from _pytest.terminal import TerminalReporter

SHOWN_EVERY_S = 1.0
"""How often the line on a terminal is renewed."""

LOGGED_EVERY_S = 15.0
"""How often a line is written where lines stay, as in the log of a CI run."""


class Waiting:
    """A line that is renewed in place on a terminal; elsewhere a line now and then."""

    def __init__(self, config: pytest.Config, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._clock = clock
        self._renewed = False
        self._logged_at: float | None = None

    def show(self, text: str | None) -> None:
        """Shows what is waited for; None is nothing."""
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if text is None or not isinstance(terminal, TerminalReporter) or terminal.verbosity < -1:
            return
        if terminal.isatty and not os.environ.get("CI"):
            self._renew(terminal, text)
        elif self._logged_at is None or self._clock() - self._logged_at >= LOGGED_EVERY_S:
            self._logged_at = self._clock()
            terminal.ensure_newline()
            terminal.write_line(text)

    def end(self) -> None:
        """Takes the renewed line away."""
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if self._renewed and isinstance(terminal, TerminalReporter):
            terminal.rewrite("", erase=True)
            terminal.rewrite("")
            terminal.flush()
        self._renewed = False

    def _renew(self, terminal: TerminalReporter, text: str) -> None:
        if not self._renewed:
            terminal.ensure_newline()
        self._renewed = True
        terminal.rewrite(text, erase=True)
        terminal.flush()
