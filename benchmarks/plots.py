"""The plot of a bed: the sealed pass rate of what each arm had in hand, over its target calls."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

from benchmarks.report import Runs, interval, sealed_by

STEPS = 40
SHOWN = ("ours", "ours-twice", "gepa", "gepa-tuned", "gepa-greedy", "dspy-mipro", "dspy-copro", "dspy-bootstrap",
         "best-of-n")  # fmt: skip


def plot(bed: str, arms: dict[str, Runs], path: Path) -> None:
    """Write the plot: means with 95 % bootstrap intervals. An arm that stops early keeps what it has."""
    import matplotlib

    matplotlib.use("svg")
    # The same figures give the same file.
    matplotlib.rcParams["svg.hashsalt"] = bed
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    last = max(run["target_calls"] for runs in arms.values() for run in runs)
    calls = [round(last * step / STEPS) for step in range(STEPS + 1)]
    for arm in SHOWN:
        if arm in arms:
            rates = [[sealed_by(run, at) for run in arms[arm]] for at in calls]
            bounds = [interval(values) for values in rates]
            (line,) = axes.plot(calls, [fmean(values) for values in rates], label=arm, linewidth=2)
            low, high = zip(*bounds, strict=True)
            axes.fill_between(calls, low, high, alpha=0.15, color=line.get_color())
    axes.set(xlabel="target calls", ylabel="pass rate on the sealed cases", title=bed)
    axes.legend(fontsize="small")
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
