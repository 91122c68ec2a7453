"""`history`: what suites came to, run by run."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from pytest_metaprompt.errors import FileAccessError, did_you_mean
from pytest_metaprompt.files import OWN_FOLDER
from pytest_metaprompt.reports.figures import dollars, duration, interval
from pytest_metaprompt.reports.history import HISTORY_FILE, HistoryEntry, read_history
from pytest_metaprompt.reports.text_tables import table_lines

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_HEADING = ("when (UTC)", "passed", "accuracy (95 %)", "errors", "flaky", "cost", "time", "target")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `history` takes."""
    parser.add_argument(
        "suite", nargs="?", metavar="SUITE", help="only this suite, by its path from the root directory"
    )
    parser.add_argument("--last", type=_count, default=20, metavar="N", help="the last N runs of each (default 20)")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.add_argument("--file", type=Path, help=f"the history (default: {OWN_FOLDER}/{HISTORY_FILE} here or above)")


def run(arguments: argparse.Namespace) -> int:
    """Print the runs, and for one suite a plot where plotext is installed."""
    path = arguments.file or _nearest(Path.cwd())
    if not path.exists():
        hint = "it is written by runs of whole suites outside of CI, or with --metaprompt-history=FILE"
        raise FileAccessError(f"there is no history at {path}", hint=hint)
    entries = read_history(path, suite=arguments.suite, last=arguments.last)
    if not entries and arguments.suite is not None:
        known = sorted({entry.suite for entry in read_history(path)})
        raise FileAccessError(
            f"the history has no suite {arguments.suite!r}", hint=did_you_mean(arguments.suite, known)
        )
    if arguments.json:
        print(json.dumps([asdict(entry) for entry in entries], indent=1))
        return 0
    suites = dict.fromkeys(entry.suite for entry in entries)
    for suite in suites:
        own = [entry for entry in entries if entry.suite == suite]
        print("\n".join([suite, *_table(own), *(_plot(own) if len(suites) == 1 else ())]))
    return 0


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of 1 or more, is {text!r}")
    return int(text)


def _nearest(folder: Path) -> Path:
    """The history of the project that a folder belongs to."""
    places = [one / OWN_FOLDER / HISTORY_FILE for one in (folder, *folder.parents)]
    return next((place for place in places if place.exists()), places[0])


def _table(entries: Sequence[HistoryEntry]) -> list[str]:
    rows = [_HEADING, *(_row(entry) for entry in entries)]
    return [f"  {line}" for line in table_lines(rows, names=1, width=None)]


def _row(entry: HistoryEntry) -> tuple[str, ...]:
    share = entry.accuracy
    return (
        entry.at[:16].replace("T", " "),
        f"{entry.passed}/{entry.total}",
        interval(share.value, share.low, share.high),
        str(entry.errors),
        str(entry.flaky),
        "?" if entry.cost_usd is None else dollars(entry.cost_usd),
        duration(entry.seconds),
        entry.target,
    )


def _plot(entries: Sequence[HistoryEntry]) -> list[str]:
    """Accuracy over runs, drawn by plotext (extra `history`); nothing where it is not installed."""
    if len(entries) < 2 or find_spec("plotext") is None:
        return []
    import plotext

    figure = plotext.figure
    figure.clear()
    figure.plot_size(72, 12)
    numbers = list(range(1, len(entries) + 1))
    figure.draw(figure.signal(numbers, [entry.accuracy.value for entry in entries]).lines())
    figure.ruler("y").lim(0, 1)
    # As many marks as there is room for, at whole runs.
    marks = numbers[:: max(1, len(numbers) // 8)]
    figure.ruler("x").ticks(marks, [str(number) for number in marks])
    lines = _COLOUR.sub("", str(figure.build())).splitlines()
    return ["", "  accuracy, run by run", *(f"  {line.rstrip()}" for line in lines if line.strip())]
