"""Runs a command and tells what it took: wall seconds, CPU seconds of all its processes, the largest one's memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

SERVER = Path(__file__).parent / "server.py"


@dataclass(frozen=True, slots=True)
class Measured:
    """One run. `calls` is what the server counted; `ok`: the tool was content and asked as often as it should."""

    tool: str
    cases: int
    at_once: int
    wall_s: float
    cpu_s: float
    memory_mb: float
    exit_code: int
    calls: int
    most_at_once: int
    ok: bool
    said: str

    def as_json(self) -> dict[str, object]:
        return asdict(self)


class Server:
    """The scripted server in a process of its own."""

    def __init__(self, delay_s: float) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(SERVER), "--delay", str(delay_s)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.base_url = f"http://127.0.0.1:{int(self._process.stdout.readline())}/v1"

    def stop(self) -> dict[str, int]:
        """What it served."""
        said, _ = self._process.communicate(timeout=30)
        counted: dict[str, int] = json.loads(said)
        return counted


def measure(
    tool: str,
    command: Sequence[str],
    *,
    cases: int,
    at_once: int,
    folder: Path,
    environ: Mapping[str, str],
    delay_s: float,
    calls: int,
    run_before: bool = False,
) -> Measured:
    """Run `command` against a fresh server, which should be asked `calls` times in all.

    `BASE_URL` in the environment, and `@BASE_URL@` in the files, is the server's address. With `run_before` the
    command is run once more before the run that is measured.
    """
    served = Server(delay_s)
    try:
        given = {name: value.replace("BASE_URL", served.base_url) for name, value in environ.items()}
        # As on a user's machine: pytest keeps the bytecode of the plugins whose asserts it rewrote.
        around = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        for path in folder.iterdir():
            text = path.read_text(encoding="utf-8")
            path.write_text(text.replace("@BASE_URL@", served.base_url), encoding="utf-8")
        if run_before:
            subprocess.run(command, cwd=folder, env={**around, **given}, capture_output=True, check=False)
        with (folder / "output.txt").open("w+", encoding="utf-8") as output:
            began = time.perf_counter()
            process = subprocess.Popen(
                command, cwd=folder, env={**around, **given}, stdout=output, stderr=subprocess.STDOUT
            )
            _, status, used = os.wait4(process.pid, 0)
            wall_s = time.perf_counter() - began
            output.seek(0)
            said = output.read()
    finally:
        counted = served.stop()
    code = os.waitstatus_to_exitcode(status)
    process.returncode = code  # It was waited for here, with its resources.
    return Measured(
        tool=tool,
        cases=cases,
        at_once=at_once,
        wall_s=round(wall_s, 3),
        cpu_s=round(used.ru_utime + used.ru_stime, 3),
        memory_mb=round(used.ru_maxrss / (1024 if sys.platform != "darwin" else 1024 * 1024), 1),
        exit_code=code,
        calls=counted["calls"],
        most_at_once=counted["most_under_way"],
        ok=code == 0 and counted["calls"] == calls,
        said=said[-2000:],
    )
