"""Ctrl-C and kill at any moment: no traceback, what was answered is reported, and no file is half written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pytest_metaprompt.testing import Fault, ScriptedServer
from tests.conftest import append, envelope

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are sent as POSIX has them")

ROUTINE = "Which number is it?\n"
RULE = "Answer with the number only."
CASES = 24
SUITE = f"""
routine: routine.md
target: {{model: "openai:small", base_url: BASE, timeout_s: 60}}
meta: {{model: "openai:big", base_url: BASE, timeout_s: 60}}
cases:
{"".join(f'  - {{id: c{n}, input: "number {n}", expect: "{n}"}}{chr(10)}' for n in range(CASES))}
"""


class Interrupted:
    """A run of pytest in a process of its own, that is sent a signal when the server got its n-th request."""

    def __init__(self, folder: Path, *, at: int, answer=None, sent=signal.SIGINT) -> None:
        self.folder = folder
        self.at = at
        self.sent = sent
        self.answer = answer or self.obeys
        self.count = 0
        self.lock = threading.Lock()
        self.process: subprocess.Popen[str] | None = None
        self.started = threading.Event()

    @staticmethod
    def obeys(body):
        system, said = (message["content"] for message in body["messages"])
        if body["model"] == "big":
            return envelope(append(RULE))
        number = said.split()[1]
        return number if RULE in system or int(number) < 12 else f"It is {number}."

    def script(self, body):
        self.started.wait(30)
        with self.lock:
            self.count += 1
            mine = self.count
        if mine == self.at:
            os.kill(self.process.pid, self.sent)
            return Fault.hang()
        return Fault.hang() if mine > self.at else self.answer(body)

    def run(self, *args: str):
        (self.folder / "routine.md").write_text(ROUTINE)
        with ScriptedServer(self.script) as server:
            (self.folder / "s.metaprompt.yaml").write_text(SUITE.replace("BASE", server.base_url))
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pytest", "--metaprompt-report=report.json", *args],
                cwd=self.folder,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env={**os.environ, "PYTEST_ADDOPTS": "-p no:cacheprovider", "CI": ""},
                # Whoever started these tests in the background made their children deaf to Ctrl-C.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )
            self.started.set()
            text, _ = self.process.communicate(timeout=60)
        return self.process.returncode, text


def assert_interrupted_cleanly(code: int, text: str, folder: Path) -> dict:
    assert code == 2, text
    assert "Traceback (most recent call last)" not in text
    assert "INTERNALERROR" not in text
    assert "Task was destroyed" not in text
    assert "never awaited" not in text
    assert [path.name for path in folder.rglob("*.tmp")] == []
    report = json.loads((folder / "report.json").read_text())
    assert (folder / "routine.md").read_text() == ROUTINE
    return report


@pytest.mark.parametrize("at", [1, 2, 17, CASES])
def test_ctrl_c_while_the_cases_are_asked_reports_what_was_answered(tmp_path, at):
    code, text = Interrupted(tmp_path, at=at).run("--metaprompt-concurrency=4")
    report = assert_interrupted_cleanly(code, text, tmp_path)
    cases = [case for suite in report["suites"] for case in suite["cases"]]
    assert at - 4 <= len(cases) < at
    assert all(case["outcome"] in ("passed", "failed") for case in cases)
    assert report["usage"]["calls"] + report["usage"]["retries"] >= len(cases)


@pytest.mark.parametrize("at", [CASES + 1, CASES + 2, CASES + 10])
def test_ctrl_c_while_a_repair_runs_leaves_the_routine_alone(tmp_path, at):
    code, text = Interrupted(tmp_path, at=at).run("--metaprompt-fix")
    report = assert_interrupted_cleanly(code, text, tmp_path)
    assert len(report["suites"][0]["cases"]) == CASES


def test_ctrl_c_while_a_rate_limit_is_waited_out(tmp_path):
    run = Interrupted(tmp_path, at=3, answer=lambda body: Fault.status(429, retry_after_s=50))
    code, text = run.run("--metaprompt-concurrency=3")
    assert_interrupted_cleanly(code, text, tmp_path)


def test_ctrl_c_under_a_gate_never_makes_it_pass(tmp_path):
    code, text = Interrupted(tmp_path, at=20).run("--metaprompt-min-accuracy=0.1")
    report = assert_interrupted_cleanly(code, text, tmp_path)
    assert not any(gate["passed"] for gate in report["gates"])


KILLED = """
import os, sys, threading
from pathlib import Path
from pytest_metaprompt.files import read_text, write_back

source = read_text(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for _ in range(10_000):
    write_back(source, "b" * 200_000 + "\\n")
    source = read_text(Path(sys.argv[1]))
    write_back(source, "a" * 200_000 + "\\n")
    source = read_text(Path(sys.argv[1]))
"""


@pytest.mark.parametrize("seed", range(10))
def test_a_kill_while_a_file_is_written_leaves_the_old_or_the_new_one(tmp_path, seed):
    path = tmp_path / "routine.md"
    path.write_text("a" * 200_000 + "\n")
    writer = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout.readline() == "ready\n"
    writer.stdin.write("go\n")
    writer.stdin.flush()
    for _ in range(seed * 7 + 1):  # Some reads later it is killed, wherever it is by then.
        assert path.read_text() in ("a" * 200_000 + "\n", "b" * 200_000 + "\n")
    writer.kill()
    writer.communicate()
    assert path.read_text() in ("a" * 200_000 + "\n", "b" * 200_000 + "\n")


def test_two_repairs_of_the_same_routine_at_once_one_wins_and_the_other_says_so(tmp_path):
    meeting = threading.Barrier(2, timeout=60)

    def script(body):
        if body["model"] == "big":
            meeting.wait()  # Both have read the routine, and neither has written it.
        return Interrupted.obeys(body)

    (tmp_path / "routine.md").write_text(ROUTINE)
    with ScriptedServer(script) as server:
        (tmp_path / "s.metaprompt.yaml").write_text(SUITE.replace("BASE", server.base_url))
        runs = [
            subprocess.Popen(
                [sys.executable, "-m", "pytest", "--metaprompt-fix", "-p", "no:cacheprovider"],
                cwd=tmp_path,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for _ in range(2)
        ]
        texts = [run.communicate(timeout=120)[0] for run in runs]
    assert (tmp_path / "routine.md").read_text() == f"{ROUTINE}{RULE}\n" or RULE in (
        tmp_path / "routine.md"
    ).read_text()
    assert sorted(run.returncode for run in runs) == [0, 1]
    loser = texts[0] if runs[0].returncode else texts[1]
    assert "changed while the repair ran, so it was not overwritten" in loser


LATE = """
import os, signal
import pytest

HOW_OFTEN = {times}

@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    from pytest_metaprompt.plugin import report_files
    usual = report_files.write_reports

    def write_reports(state):
        for _ in range(HOW_OFTEN):
            os.kill(os.getpid(), signal.SIGINT)
        usual(state)

    report_files.write_reports = write_reports
"""


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_while_the_reports_are_written(tmp_path, times):
    (tmp_path / "conftest.py").write_text(LATE.replace("{times}", str(times)))
    code, text = Interrupted(tmp_path, at=1000).run()
    assert code == 2
    assert "Traceback" not in text
    assert "12 failed, 12 passed" in text
    # The first one lets the work be done; who insists gets it ended.
    assert (tmp_path / "report.json").exists() == (times == 1)
