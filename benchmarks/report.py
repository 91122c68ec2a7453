"""Tables, plots and the page of figures from the raw results: `python -m benchmarks.report`.

Every figure in `docs/benchmarks.md` stands between two marks and is written by this module; a test compares them.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

from benchmarks.repair import CAP, LOCAL_ARMS, RESULTS, SIMULATED_ARMS
from benchmarks.world import CONTROLS
from pytest_metaprompt.stats import accuracy

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
BLOCK = re.compile(r"(<!-- figures: ([\w-]+) -->\n)(.*?)(<!-- end of figures -->)", re.DOTALL)
RESAMPLED = 2000
SEARCHED = ("narrow", "broad", "exact")
STAGES = ("test run", "probe", "screen", "race", "confirm", "guard", "hold-out")
ENDS = {
    "budget": "budget",
    "no stable failure is left": "no training case fails, held-out ones do",
    "hold-out: does not generalise": "taken back in the end: no held-out failure was fixed",
}
TUNED = ("gepa-tuned", "gepa-greedy")

Run = dict[str, Any]
Runs = Sequence[Run]


def main(arguments: list[str] | None = None) -> int:
    """Write the plots and the figures of the page."""
    parser = argparse.ArgumentParser(description="Writes the plots, and the figures of docs/benchmarks.md.")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder of the raw results")
    parser.add_argument("--no-plots", action="store_true", help="the figures only")
    options = parser.parse_args(arguments)
    if not options.no_plots:
        from benchmarks.plots import plot

        for bed in SEARCHED:
            path = options.results / f"{bed}.json"
            plot(bed, read(path), path.with_suffix(".svg"))
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), options.results), encoding="utf-8")
    return 0


def read(path: Path) -> dict[str, Runs]:
    """The runs of a bed by arm, in the order in which the arms are always shown."""
    found: dict[str, list[Run]] = defaultdict(list)
    for run in json.loads(path.read_text(encoding="utf-8"))["runs"]:
        found[run["arm"]].append(run)
    order = list(dict.fromkeys((*SIMULATED_ARMS, *LOCAL_ARMS)))
    return {arm: found[arm] for arm in sorted(found, key=order.index)}


def filled(page: str, results: Path) -> str:
    """The page with every block of figures as the results say."""
    return BLOCK.sub(lambda block: block[1] + "\n".join(_block(block[2], results)) + "\n" + block[4], page)


def _block(name: str, results: Path) -> Iterator[str]:
    if name == "goals":
        yield from _goals(results)
    elif name == "controls":
        yield from _controls(results)
    elif name == "stages":
        yield from _stages(results)
    elif name == "ends":
        yield from _ends(results)
    elif name.startswith("local"):
        yield from _local(name, results)
    else:
        yield from _search(name, results)


def _search(bed: str, results: Path) -> Iterator[str]:
    """One bed on which there is something to repair."""
    yield _row("arm", "runs", "solved", "after 400 calls", "causes cured", "sealed pass rate", "calls", "until in hand",
               "meta calls", "useless", "regression", "coin flip lowered")  # fmt: skip
    yield _row(*["---"] * 12)
    for arm, runs in read(results / f"{bed}.json").items():
        yield _row(
            arm,
            str(len(runs)),
            share(runs, lambda run: run["after"]["solved"]),
            share(runs, solved_early),
            f"{fmean(run['after']['fixed'] / run['after']['wanted'] for run in runs):.2f}",
            mean(runs, lambda run: run["after"]["sealed"]),
            f"{median(run['target_calls'] for run in runs):.0f}",
            f"{median(in_hand_after(run) for run in runs):.0f}",
            f"{median(run['meta_calls'] for run in runs):.0f}",
            share(runs, is_useless),
            share(runs, has_regression),
            share(runs, lambda run: run["written"] and run["after"]["lowered"]),
        )


def _controls(results: Path) -> Iterator[str]:
    """Where nothing should be written: how often something was."""
    beds = {name: read(results / f"{name}.json") for name in CONTROLS}
    yield _row("arm", *(f"{name}: written" for name in beds))
    yield _row(*["---"] * (1 + len(beds)))
    for arm in beds[CONTROLS[0]]:
        yield _row(arm, *(share(runs[arm], lambda run: run["written"]) for runs in beds.values()))


def _local(bed: str, results: Path) -> Iterator[str]:
    yield _row("arm", "runs", "train before", "train after", "sealed before", "sealed after", "calls", "until in hand",
               "sealed cases broken")  # fmt: skip
    yield _row(*["---"] * 9)
    for arm, runs in read(results / f"{bed}.json").items():
        yield _row(
            arm,
            str(len(runs)),
            mean(runs, lambda run: run["before"]["train"]),
            mean(runs, lambda run: run["after"]["train"]),
            mean(runs, lambda run: run["before"]["sealed"]),
            mean(runs, lambda run: run["after"]["sealed"]),
            f"{median(run['target_calls'] for run in runs):.0f}",
            f"{median(in_hand_after(run) for run in runs):.0f}",
            f"{fmean(run['after']['sealed_broken'] for run in runs):.1f}",
        )


def _goals(results: Path) -> Iterator[str]:
    """What was to be shown, and what came out."""
    yield _row("goal", "bed", "ours", "the better tuned GEPA", "reached")
    yield _row(*["---"] * 5)
    for bed in SEARCHED:
        arms = read(results / f"{bed}.json")
        ours, peer = arms["ours"], arms[best_of_tuned(arms)]
        rates = [sum(run["after"]["solved"] for run in runs) / len(runs) for runs in (ours, peer)]
        yield _row("solves at least as often", bed, share(ours, lambda run: run["after"]["solved"]),
                   share(peer, lambda run: run["after"]["solved"]), _yes(rates[0] >= rates[1]))  # fmt: skip
        calls = [median(run["target_calls"] for run in runs) for runs in (ours, peer)]
        yield _row("at most half of its target calls", bed, f"{calls[0]:.0f}", f"{calls[1]:.0f}",
                   _yes(calls[0] <= calls[1] / 2))  # fmt: skip
        early = sum(map(solved_early, ours)) / len(ours)
        yield _row("solves as often with half of the calls", bed, share(ours, solved_early),
                   share(peer, lambda run: run["after"]["solved"]), _yes(early >= rates[1]))  # fmt: skip
    for bed in CONTROLS:
        arms = read(results / f"{bed}.json")
        ours, peer = arms["ours"], arms[best_of_tuned(arms)]
        worst = sum(run["written"] for run in ours) / len(ours)
        yield _row("useless writes at most 5 %", bed, share(ours, lambda run: run["written"]),
                   share(peer, lambda run: run["written"]), _yes(worst <= 0.05))  # fmt: skip
    for bed in SEARCHED:
        arms = read(results / f"{bed}.json")
        ours, peer = arms["ours"], arms[best_of_tuned(arms)]
        yield _row("no regression written", bed, share(ours, has_regression), share(peer, has_regression),
                   _yes(not any(map(has_regression, ours))))  # fmt: skip


def _stages(results: Path) -> Iterator[str]:
    """What our calls are for."""
    yield _row("bed", *STAGES)
    yield _row(*["---"] * (1 + len(STAGES)))
    for bed in SEARCHED:
        runs = read(results / f"{bed}.json")["ours"]
        yield _row(bed, *(f"{fmean(run['by_stage'].get(stage, 0) for run in runs):.0f}" for stage in STAGES))


def _ends(results: Path) -> Iterator[str]:
    """Why our unsolved runs stopped."""
    yield _row("bed", "unsolved", *ENDS.values(), "rounds or patience")
    yield _row(*["---"] * (3 + len(ENDS)))
    for bed in SEARCHED:
        unsolved = [run for run in read(results / f"{bed}.json")["ours"] if not run["after"]["solved"]]
        counts = [sum(run["end"].startswith(end) for run in unsolved) for end in ENDS]
        yield _row(bed, str(len(unsolved)), *map(str, counts), str(len(unsolved) - sum(counts)))


def best_of_tuned(arms: dict[str, Runs]) -> str:
    """The tuning of GEPA that solves more, on this bed."""
    return max(TUNED, key=lambda arm: sum(run["after"]["solved"] for run in arms[arm]))


def is_useless(run: Run) -> bool:
    """Something was written that is no better."""
    return bool(run["written"] and run["after"]["useless"])


def has_regression(run: Run) -> bool:
    """Something was written that breaks a case that the arm could try, and that always passed."""
    return bool(run["written"] and run["after"]["broken"])


def in_hand_after(run: Run) -> int:
    """After how many target calls the arm had what it handed in; all of them where it handed in nothing new."""
    return int(run["history"][-1]["calls"]) if run["history"] else int(run["target_calls"])


def solved_early(run: Run) -> bool:
    """Whether what the arm had in hand after half of the calls that it may make solves the bed."""
    held = [point for point in run["history"] if point["calls"] <= CAP // 2]
    return bool(held and held[-1]["solved"])


def sealed_by(run: Run, calls: int) -> float:
    """The sealed pass rate of what the arm had in hand after so many calls."""
    held = [point["sealed"] for point in run["history"] if point["calls"] <= calls]
    return float(held[-1] if held else run["before"]["sealed"])


def share(runs: Runs, holds: Callable[[Run], object]) -> str:
    """How many of the runs, with Wilson's 95 % interval in per cent."""
    found = accuracy(sum(bool(holds(run)) for run in runs), len(runs))
    return f"{found.passed}/{found.total} ({100 * found.low:.0f}-{100 * found.high:.0f} %)"


def mean(runs: Runs, value: Callable[[Run], float]) -> str:
    """The mean of the runs with its 95 % interval."""
    values = [value(run) for run in runs]
    low, high = interval(values)
    return f"{fmean(values):.3f} ({low:.3f}-{high:.3f})"


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The percentile bootstrap's 95 % interval of the mean, always drawn alike."""
    chance = random.Random(0)
    means = sorted(fmean(chance.choices(values, k=len(values))) for _ in range(RESAMPLED))
    return means[int(0.025 * RESAMPLED)], means[int(0.975 * RESAMPLED) - 1]


def _yes(reached: bool) -> str:
    return "yes" if reached else "**no**"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
