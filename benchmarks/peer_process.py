"""Runs a peer's optimiser in a process and an environment of its own, and answers what it asks."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import venv
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from benchmarks.bed import Candidate
from benchmarks.counter import CapReachedError, Meter

PINNED = ("gepa==0.1.4", "dspy==3.4.1", "optuna==5.0.0")
"""The versions that are compared with."""

FILES = Path(__file__).parent / "peers"


class PeerError(Exception):
    """The peer's process died; the message ends with what it said."""


def environment(folder: Path) -> Path:
    """The Python of a throw-away environment with the peers in it, made where there is none."""
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"making {folder} with {', '.join(PINNED)}", file=sys.stderr)
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PINNED], check=True)
    return python


def run_peer(arm: str, meter: Meter, *, python: Path, options: dict[str, Any]) -> None:
    """One run of an arm: `meter` holds what came out.

    Raises:
        PeerError: Its process ended before it said that it was done.
    """
    bed = meter.bed
    script = FILES / ("gepa_arm.py" if arm.startswith("gepa") else "dspy_arm.py")
    order = {
        "arm": arm,
        "cap": meter.cap,
        "seed": options.pop("seed"),
        "base": asdict(bed.base),
        "train": [asdict(one) for one in bed.train],
        "options": options,
    }
    with subprocess.Popen(
        [python, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        errors = _Drain(process.stderr)
        _write(process.stdin, order)
        done, said = _serve(meter, process.stdin, process.stdout), errors.text()
    if not done:
        raise PeerError(f"{arm} ended by itself: {said[-2000:]}")


def _serve(meter: Meter, stdin: IO[str], stdout: IO[str]) -> bool:
    """Answer until the peer is done, or has no call left; False if it died."""
    questions = {one.text: one for one in meter.bed.train}
    for line in stdout:
        message = json.loads(line)
        if "ask" in message:
            try:
                _write(stdin, {"reply": meter.ask(message["ask"])})
            except CapReachedError:
                _write(stdin, {"stopped": True})
                return True
        elif "advise" in message:
            _write(stdin, {"replies": meter.advise(message["advise"], message["count"])})
        elif "judge" in message:
            _write(stdin, {"passed": meter.bed.passes(questions[message["judge"]], message["reply"])})
        elif "holds" in message:
            held = message["holds"]
            meter.holds(Candidate(held["system"], tuple((user, answer) for user, answer in held["turns"])))
            _write(stdin, {})
        else:
            return True
    return False


def _write(stdin: IO[str], message: dict[str, Any]) -> None:
    stdin.write(json.dumps(message) + "\n")
    stdin.flush()


class _Drain:
    """Reads what a process says so that it never blocks, and keeps it."""

    def __init__(self, stream: IO[str]) -> None:
        self._lines: list[str] = []
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream: IO[str]) -> None:
        self._lines.extend(stream)

    def text(self) -> str:
        """All of it; waits for the end."""
        self._thread.join()
        return "".join(self._lines)
