"""The benchmark of repair: `python -m benchmarks.repair`. See README.md beside it."""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.bed import Bed
from benchmarks.best_of import run_best_of
from benchmarks.counter import Meter
from benchmarks.local_beds import LOCAL, MissingError, open_local
from benchmarks.ours import ABLATIONS, run_ours
from benchmarks.peer_process import PINNED, environment, run_peer
from benchmarks.world import SIMULATED, simulated

RESULTS = Path(__file__).parent / "results" / "repair"
SIMULATED_ARMS = (*ABLATIONS, "gepa", "gepa-tuned", "gepa-greedy", "dspy-mipro", "dspy-copro", "best-of-n")
LOCAL_ARMS = ("ours", "dspy-bootstrap", "best-of-n")
CAP = 800
LOCAL_CAP = 6
"""Target calls for each case of a local bed: the model is slow."""

Say = Callable[[str], None]


def main(arguments: list[str] | None = None) -> int:
    """Run what is asked for, and write one file of raw results for each bed."""
    options = _parser().parse_args(arguments)
    python = environment(options.peers.resolve()) if _asks_peers(options.arms) else Path()
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.beds:
        path = options.out / f"{name}.json"
        known = json.loads(path.read_text())["runs"] if path.exists() and (options.keep or options.go_on) else []
        try:
            for runs in _runs(name, options, python, known):
                path.write_text(_as_text(name, runs), encoding="utf-8")
        except MissingError as error:
            print(f"{name}: skipped, {error}")
    return 0


def _asks_peers(arms: list[str] | None) -> bool:
    return arms is None or not {*ABLATIONS, "best-of-n"}.issuperset(arms)


def _as_text(name: str, runs: list[dict[str, Any]]) -> str:
    """The results as JSON with a run on each line, so that a change of one is seen as one."""
    about = {"bed": name, "peers": list(PINNED), "python": platform.python_version()}
    lines = ",\n".join(json.dumps(run) for run in runs)
    return f'{json.dumps(about)[:-1]}, "runs": [\n{lines}\n]}}\n'


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Repairs the same routines with every arm, under one call counter.")
    beds = (*SIMULATED, *LOCAL)
    parser.add_argument("--beds", nargs="+", choices=beds, default=beds, help="default: all")
    parser.add_argument("--arms", nargs="+", choices=sorted({*SIMULATED_ARMS, *LOCAL_ARMS}), help="default: all")
    parser.add_argument("--seeds", type=int, default=20, help="how many runs of each arm (default 20)")
    parser.add_argument(
        "--cap", type=int, help=f"target calls of a run, at most (default: {CAP}, or {LOCAL_CAP} a case of a local bed)"
    )
    parser.add_argument("--out", type=Path, default=RESULTS, help="the folder of the raw results")
    parser.add_argument("--keep", action="store_true", help="keep the other arms' runs that are in the results")
    parser.add_argument(
        "--go-on", action="store_true", help="run only what is not in the results yet, and keep the rest"
    )
    parser.add_argument("--peers", type=Path, default=Path("build/peers"), help="the throw-away environment")
    return parser


def _runs(name: str, options: argparse.Namespace, python: Path, known: list[Any]) -> Iterator[list[dict[str, Any]]]:
    """All runs so far, after each one: a long benchmark may be stopped, and go on later."""
    every = SIMULATED_ARMS if name in SIMULATED else LOCAL_ARMS
    arms = [arm for arm in every if options.arms is None or arm in options.arms]
    runs = [run for run in known if options.go_on or run["arm"] not in arms]
    done = {(run["arm"], run["seed"]) for run in runs}
    for seed, arm in product(range(options.seeds), arms):
        if (arm, seed) in done:
            continue
        bed = simulated(name, seed) if name in SIMULATED else open_local(name, seed)
        cap = options.cap or (CAP if name in SIMULATED else LOCAL_CAP * len(bed.train))
        run = _run(arm, bed, cap=cap, seed=seed, python=python)
        runs.append(run)
        print(
            f"{name} {arm} seed {seed}: {run['target_calls']} calls, {run['meta_calls']} meta, "
            f"written {run['written']}, {run['after']}",
            file=sys.stderr,
        )
        yield sorted(runs, key=lambda one: (every.index(one["arm"]), one["seed"]))


def _run(arm: str, bed: Bed, *, cap: int, seed: int, python: Path) -> dict[str, Any]:
    meter = Meter(bed, cap)
    started = time.perf_counter()
    if arm in ABLATIONS:
        run_ours(arm, meter, seed=seed, demonstrations=bed.name in LOCAL)
    elif arm == "best-of-n":
        run_best_of(meter, seed=seed)
    else:
        options = {"seed": seed}
        if arm == "dspy-mipro":
            options |= {"max_bootstrapped_demos": 0, "max_labeled_demos": 0}
        run_peer(arm, meter, python=python, options=options)
    # The local model takes its time over the sealed cases: it judges what was handed in, not what was in hand before.
    judged = meter.history if bed.name in SIMULATED else meter.history[-1:]
    truths = [(calls, bed.truth(candidate)) for calls, candidate in judged]
    before = bed.truth(bed.base)
    after = truths[-1][1] if truths else before
    return {
        "arm": arm,
        "seed": seed,
        "target_calls": meter.target_calls,
        "meta_calls": meter.meta_calls,
        "by_stage": dict(meter.by_stage),
        "end": meter.end,
        "seconds": round(time.perf_counter() - started, 2),
        "written": meter.in_hand != bed.base,
        "before": before.as_json(),
        "after": after.as_json(),
        "history": [{"calls": at, "sealed": truth.sealed, "solved": truth.solved} for at, truth in truths],
        "system": meter.in_hand.system,
        "turns": [list(turn) for turn in meter.in_hand.turns],
    }


if __name__ == "__main__":
    sys.exit(main())
