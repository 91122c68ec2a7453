"""What people read: the page of a failing case, the evidence of a repair, sentences as wide as the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from _pytest._code.code import ReprFileLocation, TerminalRepr
from _pytest._io import TerminalWriter
from _pytest.terminal import TerminalReporter

from pytest_metaprompt.repair.visible import visible
from pytest_metaprompt.reports.figures import calls_words, cost_words
from pytest_metaprompt.reports.text_tables import sentence_lines
from pytest_metaprompt.results import Attempt, CaseResult, RepairOutcome
from pytest_metaprompt.suites import Message, Suite

_LONGEST = 4000
_LISTED = 10
Crash = tuple[str, int, str]


def terminal_of(config: pytest.Config) -> TerminalReporter | None:
    """What pytest writes its report with; None where nothing is reported on a terminal."""
    found = config.pluginmanager.get_plugin("terminalreporter")
    return found if isinstance(found, TerminalReporter) else None


def width_of(terminal: TerminalReporter) -> int | None:
    """How wide a line may be; None where lines do not break, as in a file. The last column stays free."""
    return terminal._tw.fullwidth - 1 if terminal.isatty else None


def say(terminal: TerminalReporter, text: str) -> None:
    """Write a sentence, broken between words on a terminal."""
    for line in sentence_lines(text, width_of(terminal)):
        terminal.write_line(line)


class CasePage(TerminalRepr):
    """A case that failed: its place, the messages, the reply, and for each assertion what differs."""

    def __init__(self, suite: Suite, result: CaseResult) -> None:
        self.suite = suite
        self.result = result
        self.reprcrash = ReprFileLocation(str(suite.path), result.case.where.line or 1, headline(result))

    def toterminal(self, tw: TerminalWriter) -> None:
        """Write the page."""
        case = self.result.case
        _field(tw, "case", f"{case.id}  ({case.where})")
        attempt = _telling_attempt(self.result)
        if len(self.result.attempts) > 1:
            passed = sum(one.passed for one in self.result.attempts)
            _field(
                tw, "attempts", f"{passed} of {len(self.result.attempts)} passed; shown is number {attempt.sample + 1}"
            )
        _field(tw, "target", str(self.suite.target))
        tw.line()
        for message in (*attempt.messages, *attempt.transcript):
            _message(tw, message)
        if not attempt.transcript:
            _reply(tw, attempt)
        for note in attempt.notes:
            _field(tw, "note", note)
        tw.line()
        for verdict in attempt.verdicts:
            mark = "ok  " if verdict.passed else "FAIL"
            tw.line(f"{mark} {verdict.type}: {_short(verdict.reason)}", red=not verdict.passed, green=verdict.passed)
        if attempt.error is not None:
            tw.line(f"ERROR {_short(attempt.error)}", red=True)


class GatePage(TerminalRepr):
    """A gate that was not reached."""

    def __init__(self, suite: Suite, reasons: Sequence[str]) -> None:
        self.reasons = tuple(reasons)
        self.reprcrash = ReprFileLocation(str(suite.path), 1, "; ".join(reasons))

    def toterminal(self, tw: TerminalWriter) -> None:
        """Write the reasons."""
        for reason in self.reasons:
            tw.line(reason, red=True)


class ToldPage(TerminalRepr):
    """A page that came from a worker of pytest-xdist as text, with its line for the summary."""

    def __init__(self, text: str, crash: Crash) -> None:
        self.text = text
        self.reprcrash = ReprFileLocation(*crash)

    def toterminal(self, tw: TerminalWriter) -> None:
        """Write the text."""
        for line in self.text.splitlines():
            tw.line(line, red=line.startswith(("FAIL ", "ERROR ")), green=line.startswith("ok   "))


def crash_of(page: object) -> Crash | None:
    """What the summary tells of a page of ours: its file, line and headline."""
    if not isinstance(page, CasePage | GatePage):
        return None
    return page.reprcrash.path, page.reprcrash.lineno, page.reprcrash.message


def headline(result: CaseResult) -> str:
    """Why a case did not pass, in one line."""
    attempt = _telling_attempt(result)
    if attempt.error is not None:
        return visible(" ".join(attempt.error.split()))
    told = (" ".join(f"{v.type}: {v.reason}".split()) for v in attempt.verdicts if not v.passed)
    return visible("; ".join(told))


def write_repair(terminal: TerminalReporter, repair: RepairOutcome) -> None:
    """The evidence of a repair, or why there is none."""
    good = repair.status in ("applied", "proposed")
    terminal.write_line(f"{repair.routine}: {repair.status}", bold=True, green=good, red=not good)
    if terminal.verbosity < -1:
        return
    for name, told in _evidence(repair):
        for line in sentence_lines(visible(f"  {name:<8}  {told}"), width_of(terminal), indent=" " * 12):
            terminal.write_line(line)
    for line in repair.diff.splitlines():
        added, removed = line.startswith("+"), line.startswith("-")
        terminal.write_line(f"  {line}", green=added, red=removed)


def _evidence(repair: RepairOutcome) -> Iterator[tuple[str, str]]:
    from pytest_metaprompt.stats import mcnemar_p

    if repair.reason:
        yield "reason", repair.reason
    if repair.status in ("applied", "proposed"):
        yield "before", f"{repair.before} passed"
        p = mcnemar_p(len(repair.fixed), len(repair.broken))
        yield "after", f"{repair.after} passed (McNemar's exact test: p = {p:.2g})"
        yield "fixed", _names(repair.fixed)
    yield "broken", _names(repair.broken)
    yield "flaky", _names(repair.flaky)
    held = repair.holdout
    if held is None:
        yield "hold-out", "none: in-sample evidence only (fewer than 20 cases, or holdout: 0)"
    else:
        yield "hold-out", f"{held.fixed} fixed, {held.broken} broken of {held.total} cases that no proposer saw"
    calls = calls_words(repair.target_calls, repair.meta_calls, repair.judge_calls, repair.customer_calls)
    stored = f", and {repair.cached_calls} replies were stored" if repair.cached_calls else ""
    yield "calls", f"{calls}, in {repair.seconds:.1f} s{stored}"
    yield "cost", cost_words(repair.cost_usd)
    if repair.status == "applied":
        yield "written", repair.routine
    elif repair.status == "proposed":
        yield "written", "nothing: pass --metaprompt-fix to write it"


def _names(keys: Sequence[str]) -> str:
    if not keys:
        return "none"
    shown = ", ".join(keys[:_LISTED])
    return f"{len(keys)}: {shown}" + (f" and {len(keys) - _LISTED} more" if len(keys) > _LISTED else "")


def _telling_attempt(result: CaseResult) -> Attempt:
    """The attempt that shows best why the case did not pass."""
    if result.outcome == "error":
        return next(attempt for attempt in result.attempts if attempt.error is not None)
    failed = [attempt for attempt in result.attempts if not attempt.passed and attempt.error is None]
    return (failed or list(result.attempts))[0]


def _message(tw: TerminalWriter, message: Message) -> None:
    calls = message.extra.get("tool_calls")
    if message.content or not calls:
        _field(tw, message.role, _short(message.content))
    for call in calls if isinstance(calls, list | tuple) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            _field(tw, "tool call", _short(f"{function.get('name')}({function.get('arguments')})"))


def _reply(tw: TerminalWriter, attempt: Attempt) -> None:
    if attempt.reply is None:
        return
    _field(tw, "reply", _short(attempt.reply.text) or "(no text)", bold=True)
    for call in attempt.reply.tool_calls:
        _field(tw, "tool call", _short(f"{call.name}({call.raw_arguments})"), bold=True)


def _field(tw: TerminalWriter, name: str, text: str, *, bold: bool = False) -> None:
    first, *rest = text.split("\n")
    tw.line(f"{name:<10} {first}", bold=bold)
    for line in rest:
        tw.line(f"{'':<10} {line}", bold=bold)


def _short(text: str) -> str:
    """The text, cut in its middle if it is very long, with characters that act on a terminal or hide made visible."""
    text = visible(text)
    if len(text) <= _LONGEST:
        return text
    half = _LONGEST // 2
    return f"{text[:half]} [... {len(text) - 2 * half} characters left out ...] {text[-half:]}"
