"""How fast are we, and how fast are others, with the same cases against the same server, in one run?

    python benchmarks/speed.py                        # everything: some minutes, after the installs
    python benchmarks/speed.py --cases 200 --no-growth --only ours promptfoo

Each tool gets an environment of its own, made by pip or npm and kept in --environments. What was measured goes to
benchmarks/results/speed.json, the growth of our own runs to speed-growth.svg and .png beside it.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from measure import Measured, measure
from tools import FLOOR, OURS, OURS_CACHED, OURS_IN_WORKERS, PEERS, NotInstalledError, Tool, install

RESULTS = Path(__file__).parent / "results"
GROWTH_CASES = (100, 300, 1000, 3000, 10_000)
GROWTH_AT_ONCE = (1, 4, 16, 50, 100, 200, 400)


def run(tool: Tool, programs: Path, *, cases: int, at_once: int, delay_s: float) -> Measured:
    """One run in a fresh folder."""
    with tempfile.TemporaryDirectory(prefix="speed-") as name:
        folder = Path(name)
        tool.write(folder, cases, at_once)
        return measure(
            tool.name,
            tool.command(programs, at_once),
            cases=cases,
            at_once=at_once,
            folder=folder,
            environ=tool.environ,
            delay_s=delay_s,
            calls=cases if tool.asks else 0,
            run_before=tool.asks_before,
        )


def compare(tools: Sequence[Tool], options: argparse.Namespace, *, cases: int) -> list[Measured]:
    """Every tool in turn, as often as asked, so that a busy moment does not hit one tool alone."""
    installed: list[tuple[Tool, Path]] = []
    for tool in tools:
        try:
            where = options.environments / "".join(c if c.isalnum() else "-" for c in tool.name)
            installed.append((tool, install(tool, where)))
        except NotInstalledError as error:
            print(f"{tool.name}: not measured, because it could not be installed: {error}", file=sys.stderr)
    found = []
    for turn in range(options.runs):
        for tool, programs in installed:
            one = run(tool, programs, cases=cases, at_once=options.at_once, delay_s=options.delay)
            found.append(one)
            note = "" if one.ok else f"  FAILED: exit {one.exit_code}, {one.calls} calls"
            print(f"run {turn + 1}: {one.tool:34} {one.wall_s:7.2f} s wall {one.cpu_s:7.2f} s CPU{note}", flush=True)
            if not one.ok:
                print(one.said, file=sys.stderr)
    return found


def grow(options: argparse.Namespace) -> list[Measured]:
    """Our own runs with more and more cases, and with more and more calls at once."""
    programs = install(OURS, options.environments / OURS.name)
    found = []
    sizes = [(cases, options.at_once) for cases in GROWTH_CASES if cases <= options.most]
    sizes += [(options.cases, at_once) for at_once in GROWTH_AT_ONCE]
    for cases, at_once in sizes:
        one = run(OURS, programs, cases=cases, at_once=at_once, delay_s=options.delay)
        print(
            f"growth: {cases:6} cases, {at_once:4} at once: {one.wall_s:7.2f} s wall {one.cpu_s:7.2f} s CPU", flush=True
        )
        found.append(one)
    return found


def print_table(found: Sequence[Measured], title: str, *, unit: Tool) -> None:
    """The medians, and how many times the wall time of `unit` each takes."""
    print(f"\n{title}\n{'tool':34} {'wall s':>8} {'CPU s':>8} {'MB':>6} {'ratio':>7}")
    names = list(dict.fromkeys(one.tool for one in found if one.ok))
    unit_s = statistics.median([one.wall_s for one in found if one.tool == unit.name and one.ok] or [float("nan")])
    for name in names:
        runs = [one for one in found if one.tool == name and one.ok]
        wall_s, cpu_s, memory_mb = (
            statistics.median(getattr(one, key) for one in runs) for key in ("wall_s", "cpu_s", "memory_mb")
        )
        print(f"{name:34} {wall_s:8.2f} {cpu_s:8.2f} {memory_mb:6.0f} {wall_s / unit_s:7.2f}")


def plot(found: Sequence[Measured], options: argparse.Namespace) -> None:
    """Two panels: time over cases, and time over calls at once, each beside the limit that the server sets."""
    try:
        import matplotlib
    except ImportError:
        print('no plot: type pip install "pytest-metaprompt[bench]"', file=sys.stderr)
        return
    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    by_cases = sorted({one.cases: one for one in found if one.at_once == options.at_once}.items())
    by_at_once = sorted({one.at_once: one for one in found if one.cases == options.cases}.items())
    for axes, points, label in ((left, by_cases, "cases"), (right, by_at_once, "calls at once")):
        xs = [x for x, _ in points]
        axes.plot(xs, [one.wall_s for _, one in points], "o-", label="whole process, wall")
        axes.plot(xs, [one.cpu_s for _, one in points], "s--", label="whole process, CPU")
        axes.plot(xs, [one.cases / one.at_once * options.delay for _, one in points], ":", label="limit of the server")
        axes.set(xscale="log", yscale="log", xlabel=label, ylabel="seconds")
        axes.grid(alpha=0.3)
    left.set_title(f"{options.at_once} calls at once")
    right.set_title(f"{options.cases} cases")
    left.legend()
    for ending in ("svg", "png"):
        figure.savefig(options.results / f"speed-growth.{ending}", metadata={"Date": None} if ending == "svg" else None)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=50)
    parser.add_argument("--delay", type=float, default=0.1, metavar="SECONDS", help="the server's answer time")
    parser.add_argument("--runs", type=int, default=3, help="runs of each tool; the medians are shown")
    parser.add_argument("--only", nargs="*", default=None, metavar="TOOL", help="beginnings of names; 'ours' is ours")
    parser.add_argument(
        "--most", type=int, default=10_000, help="cases of the runs from the cache, and the most of the growth"
    )
    parser.add_argument("--no-growth", action="store_true")
    parser.add_argument("--no-cached", action="store_true", help="without the runs from the cache")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument(
        "--environments", type=Path, default=Path(tempfile.gettempdir()) / "metaprompt-benchmark-environments"
    )
    return parser.parse_args()


def main() -> int:
    options = read_options()
    options.results.mkdir(parents=True, exist_ok=True)
    chosen = [
        tool
        for tool in (OURS, OURS_IN_WORKERS, *PEERS)
        if options.only is None
        or any(
            tool.name.lower().startswith(one.lower()) or (one == "ours" and tool in (OURS, OURS_IN_WORKERS))
            for one in options.only
        )
    ]
    found = compare(chosen, options, cases=options.cases)
    cached = [] if options.no_cached else compare([FLOOR, OURS_CACHED], options, cases=options.most)
    growth = [] if options.no_growth else grow(options)
    report = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"system": platform.platform(), "python": platform.python_version(), "cpus": len_cpus()},
        "version": metadata.version("pytest-metaprompt"),
        "settings": {"cases": options.cases, "at_once": options.at_once, "delay_s": options.delay},
        "runs": [one.as_json() for one in found],
        "cached": [one.as_json() for one in cached],
        "growth": [one.as_json() for one in growth],
    }
    (options.results / "speed.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if growth:
        plot(growth, options)
    limit_s = options.cases / options.at_once * options.delay
    title = f"{options.cases} cases, {options.at_once} at once, {options.delay:g} s each: the limit is {limit_s:.1f} s"
    print_table(found, title, unit=OURS)
    if cached:
        print_table(cached, f"{options.most} cases answered from the cache", unit=FLOOR)
    return 0 if all(one.ok for one in (*found, *cached, *growth)) else 1


def len_cpus() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if __name__ == "__main__":
    sys.exit(main())
