"""Workers of pytest-xdist on other hosts, which have the project in another folder."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_metaprompt.testing import Fault
from tests.conftest import RULE, After, Body, Project, append, envelope, number_of, obeys_the_rule
from tests.plugin.test_xdist import HEAD, cases, timeless

CHECK = """\
import os, time

def ok(output, context):
    until = time.perf_counter() + 0.1
    while time.perf_counter() < until:
        pass
    return {"pass": True, "score": 1.0, "reason": f"judged in {os.getcwd()}"}
"""

PYTHON_TESTS = """\
import pytest

@pytest.mark.metaprompt("routine.md", target={"model": "openai:small", "base_url": "BASE"})
@pytest.mark.parametrize("n", range(6))
def test_it(routine, n):
    assert routine.run(f"take {n}").text == str(max(n, 1))
"""


@dataclass
class Host:
    """A process that pytest-xdist may put workers into, with a copy of the project beside it."""

    process: subprocess.Popen[str]
    copy: Path

    @property
    def spec(self) -> str:
        """What `--tx` takes."""
        assert self.process.stdout is not None
        address = re.search(r"\('(.+)', (\d+)\)", self.process.stdout.readline())
        assert address is not None
        return f"socket={address[1]}:{address[2]}//chdir={self.copy}"


class Hosts:
    """The hosts of a test, begun when the project is complete."""

    def __init__(self, project: Project, folder: Path) -> None:
        self.project = project
        self.folder = folder
        self.up: list[Host] = []

    def begin(self) -> None:
        for number in (1, 2):
            place = self.folder / f"host-{number}"
            copy = place / "elsewhere"
            shutil.copytree(self.project.path, copy)
            command = [sys.executable, "-u", "-m", "execnet.script.socketserver", "127.0.0.1:0"]
            process = subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, text=True, start_new_session=True)
            self.up.append(Host(process, copy))

    def run(self, *args: str, **options: Any) -> After:
        if not self.up:
            self.begin()
        places = [word for host in self.up for word in ("--tx", host.spec)]
        return self.project.run("-d", *places, *args, own_process=True, **options)

    def end(self) -> None:
        for host in self.up:
            host.process.kill()
            host.process.communicate()


@pytest.fixture
def hosts(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """Two hosts; 20 cases under a gate, of which two fail, and six Python tests."""
    project.write(routine_dot_md="You read numbers.\n", checks_dot_py=CHECK)
    own = "defaults: {assert: [{type: python, value: 'file://checks.py:ok'}]}\n"
    project.suite(HEAD + "gate: {min_accuracy: 0.9}\n" + own + cases(20, wrong=2))
    project.write(test_it_dot_py=PYTHON_TESTS.replace("BASE", project.server.base_url))
    project.target = number_of
    found = Hosts(project, tmp_path_factory.mktemp("hosts"))
    yield found
    found.end()


KEY = {"OPENAI_API_KEY": "k"}


def judged_in(after: After) -> set[str]:
    """Where the user's own checks were run, as they said."""
    attempts = [one for suite in after.report["suites"] for case in suite["cases"] for one in case["attempts"]]
    verdicts = [one for attempt in attempts for one in attempt["verdicts"] if one["type"] == "python"]
    return {verdict["reason"].partition("judged in ")[2] for verdict in verdicts}


def placeless(report: Any) -> Any:
    """A report without where its checks were run."""
    for suite in report["suites"]:
        for case in suite["cases"]:
            for attempt in case["attempts"]:
                attempt["verdicts"] = [one for one in attempt["verdicts"] if one["type"] != "python"]
    return timeless(report)


def test_hosts_give_the_same_outcomes_calls_and_report_and_run_the_users_checks(hosts: Hosts) -> None:
    alone = hosts.project.run(env=KEY, own_process=True)
    asked = len(hosts.project.server.requests)
    shared = hosts.run(env=KEY)
    assert asked == 26
    assert len(hosts.project.server.requests) == 2 * asked
    assert shared.result.parseoutcomes() == alone.result.parseoutcomes()
    assert shared.code == alone.code == 1
    assert judged_in(alone) == {str(hosts.project.path)}
    assert judged_in(shared) >= {str(host.copy) for host in hosts.up}
    assert placeless(shared.report) == placeless(alone.report)
    assert shared.report["gates"][0]["passed"] is True
    assert not list(hosts.folder.rglob("report.json"))


def test_a_cap_on_calls_holds_for_all_hosts_together(hosts: Hosts) -> None:
    after = hosts.run("--metaprompt-max-calls=7", env=KEY)
    assert len(hosts.project.server.requests) == 7
    assert after.report["usage"]["calls"] == 7


def test_x_begins_little_beyond_the_first_failure(hosts: Hosts) -> None:
    (hosts.project.path / "test_it.py").unlink()
    hosts.project.suite(HEAD + cases(20, wrong=2))
    after = hosts.run("-x", "--metaprompt-concurrency=1", env=KEY)
    assert after.code == 2
    assert len(hosts.project.server.requests) == 1


def test_a_repair_is_written_where_the_controller_is_and_nowhere_else(hosts: Hosts) -> None:
    (hosts.project.path / "test_it.py").unlink()
    hosts.project.suite(HEAD + cases(24))
    hosts.project.target = obeys_the_rule
    hosts.project.meta = lambda body: envelope(append(RULE))
    after = hosts.run("--metaprompt-fix", env=KEY)
    assert after.code == 0, after.text
    assert after.files["routine.md"].decode() == f"You read numbers.\n{RULE}\n"
    assert after.result.parseoutcomes() == {"repaired": 24}
    assert {(host.copy / "routine.md").read_text() for host in hosts.up} == {"You read numbers.\n"}


def test_a_host_that_dies_ends_the_run_and_nothing_is_said_of_what_was_not_asked(hosts: Hosts) -> None:
    def dies(body: Body) -> str | Fault:
        if len(hosts.project.server.requests) == 10:
            os.kill(hosts.up[1].process.pid, signal.SIGKILL)
        return number_of(body)

    (hosts.project.path / "test_it.py").unlink()
    hosts.project.target = dies
    after = hosts.run("--max-worker-restart=0", "--metaprompt-concurrency=1", env=KEY)
    assert "worker gw1 crashed and worker restarting disabled" in after.text
    assert after.code == 1
    [suite] = after.report["suites"]
    assert 0 < suite["accuracy"]["total"] == len(suite["cases"]) <= len(hosts.project.server.requests) < 20
    assert after.report["gates"] == []
    assert after.report["usage"]["calls"] == len(hosts.project.server.requests)


def test_a_copy_with_another_routine_is_told_once_and_nothing_runs(hosts: Hosts) -> None:
    hosts.begin()
    for host in hosts.up:
        (host.copy / "routine.md").write_text("You read old numbers.\n")
    after = hosts.run(env=KEY)
    assert after.code == 4
    assert after.text.count("routine.md: a worker of test_it.py has another text of it") == 1
    assert not hosts.project.server.requests


def test_another_version_is_told_once_and_nothing_runs(hosts: Hosts) -> None:
    hosts.begin()
    for host in hosts.up:
        (host.copy / "conftest.py").write_text("import pytest_metaprompt\npytest_metaprompt.__version__ = '9.9'\n")
    after = hosts.run(env=KEY)
    assert after.code == 4
    assert after.text.count("the workers have pytest-metaprompt 9.9, and the controller has") == 1
    assert not hosts.project.server.requests
