"""Runs one Python test: several times where its marker says so, and again for a repair, as pytest itself runs it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, nullcontext

import pytest

from pytest_metaprompt.plugin.terminal import terminal_of

Phase = Callable[[], object]


def run_phases(item: pytest.Item, nextitem: pytest.Item | None) -> list[pytest.TestReport]:
    """Setup, call and teardown, with new function-scoped fixtures and a new instance of the class; nothing is logged.

    What has been set up for tests of other modules is torn down first.
    """
    _make_new(item)
    known = len(item._report_sections)
    reports = [_phase(item, "setup", lambda: _set_up(item))]
    if reports[0].passed:
        reports.append(_phase(item, "call", lambda: item.ihook.pytest_runtest_call(item=item)))
    reports.append(_phase(item, "teardown", lambda: item.ihook.pytest_runtest_teardown(item=item, nextitem=nextitem)))
    if hasattr(item, "_request"):
        item._request, item.funcargs = False, None  # type: ignore[attr-defined]  # as pytest's own runner leaves it
    del item._report_sections[known:]
    return reports


def twin(item: pytest.Item) -> pytest.Item:
    """Another item at the same place: with it as the next one, all but the item itself stays set up."""
    return copy.copy(item)


@contextmanager
def set_aside(session: pytest.Session, note: Callable[[str], object]) -> Generator[None, None, None]:
    """Whatever tests are run inside, pytest's counts stay, and in the end nothing is set up any more.

    A fixture whose teardown fails in the end is told to `note`.
    """
    terminal = terminal_of(session.config)
    stats = terminal.stats if terminal is not None else {}
    known = {category: len(reports) for category, reports in stats.items()}
    try:
        yield
    finally:
        if session.items:
            try:
                with _captured(session.items[-1], "teardown"):
                    session._setupstate.teardown_exact(None)
            except Exception as error:  # the fence around the user's code
                note(f"a fixture failed in its teardown after the repair: {type(error).__name__}: {error}")
        for category, reports in stats.items():
            del reports[known.get(category, 0) :]


def _make_new(item: pytest.Item) -> None:
    if hasattr(item, "_request") and not item._request:
        if isinstance(item.parent, pytest.Class):
            item.__dict__.pop("_instance", None)
            item.__dict__.pop("_obj", None)
        item._initrequest()  # type: ignore[attr-defined]  # made for those who run a test again


def _set_up(item: pytest.Item) -> None:
    with _captured(item, "setup"):
        item.session._setupstate.teardown_exact(item)
    item.ihook.pytest_runtest_setup(item=item)


def _phase(item: pytest.Item, when: str, phase: Phase) -> pytest.TestReport:
    call = pytest.CallInfo.from_call(phase, when=when, reraise=(pytest.exit.Exception, KeyboardInterrupt))  # type: ignore[arg-type]  # one of the three words
    report: pytest.TestReport = item.ihook.pytest_runtest_makereport(item=item, call=call)
    return report


@contextmanager
def _captured(item: pytest.Item, when: str) -> Generator[None, None, None]:
    """What is printed inside is caught, as in a phase of the item, and forgotten."""
    capture = item.config.pluginmanager.get_plugin("capturemanager")
    known = len(item._report_sections)
    with capture.item_capture(when, item) if capture is not None else nullcontext():
        yield
    del item._report_sections[known:]


def log(item: pytest.Item, reports: Sequence[pytest.TestReport]) -> None:
    """Let pytest count and show the reports."""
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
