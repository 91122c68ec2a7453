"""Mode `review`: the evidence and the diff on the terminal, and a question for each routine."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from _pytest.capture import CaptureManager
from _pytest.terminal import TerminalReporter

from pytest_metaprompt.errors import MetapromptError, RoutineError
from pytest_metaprompt.plugin.terminal import terminal_of, write_repair
from pytest_metaprompt.repair.job import RepairJob
from pytest_metaprompt.repair.outcome import Found, apply_repair, prove_edited
from pytest_metaprompt.results import RepairOutcome

if TYPE_CHECKING:
    from pytest_metaprompt.plugin.session import PromptSession

_QUESTION = "write this repair? [y]es, [n]o, [e]dit: "


def refuse_without_terminal(config: pytest.Config) -> None:
    """Return if somebody is there to be asked.

    Raises:
        pytest.UsageError: Nobody is.
    """
    with _uncaptured(config):
        if sys.stdin is None or not sys.stdin.isatty() or not config.pluginmanager.has_plugin("terminal"):
            raise pytest.UsageError("mode review asks questions, and there is no terminal: use mode diff or patch")


def review(session: PromptSession, job: RepairJob, found: Found) -> RepairOutcome:
    """The outcome as the user decides it. An edited text is measured again, and must be better, too."""
    terminal = terminal_of(session.config)
    assert terminal is not None, "mode review is refused without a terminal"
    while True:
        write_repair(terminal, found.outcome)
        # No longer than the question: a Python test of an edited routine has its output captured again.
        with _uncaptured(session.config):
            answer = _ask(terminal)
        if answer == "y":
            return apply_repair(job, found)
        if answer == "n":
            return replace(found.outcome, status="rejected", reason=f"not written: declined; {found.outcome.reason}")
        if answer == "e":
            found = _edit(session, terminal, job, found)


def _ask(terminal: TerminalReporter) -> str:
    terminal.ensure_newline()
    terminal.flush()
    try:
        return input(_QUESTION).strip().lower()[:1]
    except EOFError:
        return "n"


def _edit(session: PromptSession, terminal: TerminalReporter, job: RepairJob, found: Found) -> Found:
    assert found.routine is not None, "only a proved repair is reviewed"
    try:
        with _uncaptured(session.config):
            text = _edited(found.routine.text)
        if text == found.routine.text:
            return found
        terminal.write_line("measuring every case under the edited routine")
        return session.wait(session.thread.submit(prove_edited(job, found, text)))
    except RoutineError as error:
        terminal.write_line(f"not taken: {error}", red=True)
    # A ValueError is a command with an open quote, or a file that is no UTF-8 any more.
    except (MetapromptError, OSError, ValueError, subprocess.CalledProcessError) as error:
        terminal.write_line(f"the editor gave nothing: {error}", red=True)
    return found


def _edited(text: str) -> str:
    """The text after the user's editor (`VISUAL`, `EDITOR`, else vi) was closed."""
    command = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "routine.md"
        path.write_text(text, encoding="utf-8")
        subprocess.run([*command, str(path)], check=True)
        return path.read_text(encoding="utf-8").replace("\r\n", "\n")


@contextmanager
def _uncaptured(config: pytest.Config) -> Iterator[None]:
    """The user's own terminal, its keyboard included, for a while."""
    capture = config.pluginmanager.get_plugin("capturemanager")
    if not isinstance(capture, CaptureManager):
        yield
        return
    running = capture._global_capturing
    was_on = running is not None and running.is_started()
    capture.suspend_global_capture(in_=True)
    try:
        yield
    finally:
        capture.resume_global_capture()  # The keyboard only comes back with the rest.
        if not was_on:
            capture.suspend_global_capture()
