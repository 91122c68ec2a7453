"""What pytest-xdist's workers are worth: without them, with two here, and with two on "hosts" that share this machine.

    python benchmarks/hosts.py                # six runs of each of two loads, some minutes; needs pytest-xdist

The first load is calls, 1,000 that take 0.1 s each, 50 at once; the second is checks, 1,000 cases whose `python`
assertion computes for some 30 ms. A host is a process of execnet's socket server in another folder, with a
copy of the suite there; on machines of their own, hosts would not share processors. Medians are printed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from measure import Server

CALLS = """routine: {inline: "Answer with the number only."}
target: {model: "openai:benchmark", base_url: "@BASE_URL@", temperature: 0}
cases:
"""
CALL = '  - {{id: case-{n}, input: "case number {n}", expect: "{n}"}}\n'
CHECKS = """routine: {inline: "Repeat."}
target: "echo:"
defaults: {assert: [{type: python, value: "file://checks.py:slow"}]}
cases:
"""
CHECK = '  - {{id: case-{n}, input: "case number {n}"}}\n'
SLOW = """def slow(output, context):
    return sum(i * i for i in range(600_000)) > 0
"""


def write(folder: Path, load: str, base_url: str) -> None:
    head, line, count = (CALLS, CALL, 1000) if load == "calls" else (CHECKS, CHECK, 1000)
    text = head.replace("@BASE_URL@", base_url) + "".join(line.format(n=n) for n in range(count))
    (folder / "benchmark.metaprompt.yaml").write_text(text)
    (folder / "checks.py").write_text(SLOW)


@contextmanager
def hosts(folder: Path) -> Iterator[list[str]]:
    """What pytest takes to have a worker on each of two hosts."""
    words, processes = ["-d"], []
    try:
        for number in (1, 2):
            place = folder.with_name(f"{folder.name}-host-{number}")
            shutil.copytree(folder, place / "copy")
            command = [sys.executable, "-u", "-m", "execnet.script.socketserver", "127.0.0.1:0"]
            process = subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, text=True)
            processes.append((process, place))
            assert process.stdout is not None
            port = re.findall(r"\d+", process.stdout.readline())[-1]
            words += ["--tx", f"socket=127.0.0.1:{port}//chdir=copy"]
        yield words
    finally:
        for process, place in processes:
            process.kill()
            process.communicate()
            shutil.rmtree(place)


def seconds(words: list[str], folder: Path) -> float:
    """The wall time of a run; everything has to pass."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--metaprompt-no-cache"]
    environ = {**os.environ, "OPENAI_API_KEY": "unused"}
    began = time.perf_counter()
    done = subprocess.run(
        [*command, "--metaprompt-concurrency=50", *words],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    took = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"{' '.join(words)}: exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    for load in ("calls", "checks"):
        found: dict[str, list[float]] = {}
        for _ in range(runs):
            with tempfile.TemporaryDirectory(prefix="hosts-") as name:
                folder, server = Path(name), Server(0.1)
                write(folder, load, server.base_url)
                found.setdefault("no workers", []).append(seconds([], folder))
                found.setdefault("-n 2", []).append(seconds(["-n", "2"], folder))
                with hosts(folder) as words:
                    found.setdefault("two hosts", []).append(seconds(words, folder))
                server.stop()
        for what, took in found.items():
            print(f"{load:7} {what:11} {statistics.median(took):7.2f} s   ({', '.join(f'{one:.2f}' for one in took)})")


if __name__ == "__main__":
    main()
