"""The figures of docs/speed.md from the raw results: `python benchmarks/speed_page.py` writes them, a test compares."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent.parent / "docs" / "speed.md"
RESULTS = Path(__file__).parent / "results" / "speed.json"
_BLOCK = re.compile(r"(<!-- figures: (\w+) -->\n)(.*?)(<!-- end of figures -->)", re.DOTALL)

Run = Mapping[str, Any]


def filled(page: str, report: Mapping[str, Any]) -> str:
    """The page with every block of figures as the results say."""
    return _BLOCK.sub(lambda block: block[1] + "\n".join(_table(report, block[2])) + "\n" + block[4], page)


def _table(report: Mapping[str, Any], part: str) -> Iterator[str]:
    if part == "growth":
        yield "| cases | at once | wall s | CPU s | MB | limit of the server, s |"
        yield "|---|---|---|---|---|---|"
        for run in report["growth"]:
            limit_s = run["cases"] / run["at_once"] * report["settings"]["delay_s"]
            yield f"| {run['cases']:,} | {run['at_once']} | {_figures(run)} | {limit_s:g} |"
    else:
        yield from _medians(report[part])


def _medians(runs: Sequence[Run]) -> Iterator[str]:
    """A row for each tool; ratios are to the first one."""
    yield "| | wall s | CPU s | MB | wall, ratio |"
    yield "|---|---|---|---|---|"
    unit = None
    for tool in dict.fromkeys(run["tool"] for run in runs):
        own = [run for run in runs if run["tool"] == tool and run["ok"]]
        median = {key: statistics.median(run[key] for run in own) for key in ("wall_s", "cpu_s", "memory_mb")}
        unit = unit or median["wall_s"]
        yield f"| {tool} | {_figures(median)} | {median['wall_s'] / unit:.2f} |"


def _figures(run: Run) -> str:
    return f"{run['wall_s']:.2f} | {run['cpu_s']:.2f} | {run['memory_mb']:.0f}"


def main() -> None:
    """Write the figures into the page."""
    report = json.loads(RESULTS.read_text(encoding="utf-8"))
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), report), encoding="utf-8")


if __name__ == "__main__":
    main()
