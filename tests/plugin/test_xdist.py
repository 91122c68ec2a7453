"""Under pytest-xdist the workers run the items, and the controller alone asks, judges, repairs and writes."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

import pytest

from pytest_metaprompt.testing import Fault
from tests.conftest import RULE, After, Body, Project, append, envelope, obeys_the_rule

HEAD = """\
routine: routine.md
target: {model: openai:small, base_url: BASE}
meta: {model: openai:big, base_url: BASE}
objective: Read the number in a message.
"""


def cases(count: int, *, wrong: int = 0, first: int = 100) -> str:
    lines = (
        f'  - {{id: case-{n}, input: "please take {first + n}", expect: "{first + n if n >= wrong else 0}"}}\n'
        for n in range(count)
    )
    return "cases:\n" + "".join(lines)


@pytest.fixture
def twenty(project: Project) -> Project:
    """20 cases, of which the first two fail."""
    return project.reads_numbers(HEAD + cases(20, wrong=2))


def run(project: Project, *args: str, workers: int = 2, **options: Any) -> After:
    return project.run("-n", str(workers), *args, own_process=True, **options)


def timeless(value: Any) -> Any:
    """A report without what no two runs share."""
    if isinstance(value, dict):
        return {key: timeless(one) for key, one in value.items() if key not in ("latency_s", "seconds", "at")}
    return [timeless(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("dist", ["load", "worksteal", "loadfile", "loadgroup"])
def test_workers_give_the_same_outcomes_requests_and_report(twenty: Project, dist: str) -> None:
    twenty.suite(HEAD + "gate: {min_accuracy: 0.9}\n" + cases(10, wrong=1, first=200), name="gated")
    alone = run(twenty, workers=0)
    asked = len(twenty.server.requests)
    shared = run(twenty, f"--dist={dist}")
    assert asked == 30
    assert len(twenty.server.requests) == 2 * asked
    assert shared.result.parseoutcomes() == alone.result.parseoutcomes()
    assert shared.code == alone.code == 1
    assert timeless(shared.report) == timeless(alone.report)
    assert shared.text.count("report written to report.json") == 1


def test_a_cap_on_calls_holds_for_all_workers_together(twenty: Project) -> None:
    after = run(twenty, "--metaprompt-max-calls=7")
    assert len(twenty.server.requests) == 7
    assert after.report["usage"]["calls"] == 7
    assert sum(case["outcome"] == "error" for case in after.report["suites"][0]["cases"]) == 13


@pytest.mark.parametrize(("least", "code", "word"), [(0.9, 0, "passed"), (0.95, 1, "failed")])
def test_a_gate_is_judged_on_all_cases(twenty: Project, least: float, code: int, word: str) -> None:
    twenty.suite(HEAD + f"gate: {{min_accuracy: {least}}}\n" + cases(20, wrong=2))
    after = run(twenty)
    assert after.code == code
    assert after.report["suites"][0]["accuracy"]["passed"] == 18
    assert after.report["gates"][0]["passed"] is (word == "passed")


def test_a_repair_is_proved_and_written_once_by_the_controller(twenty: Project) -> None:
    twenty.suite(HEAD + cases(24))
    twenty.target = obeys_the_rule
    twenty.meta = lambda body: envelope(append(RULE))
    after = run(twenty, "--metaprompt-fix", "--junitxml=junit.xml")
    assert after.code == 0, after.text
    assert after.files["routine.md"].decode() == f"You read numbers.\n{RULE}\n"
    assert [repair["status"] for repair in after.report["repairs"]] == ["applied"]
    assert len(twenty.asked("big")) == 1
    assert after.result.parseoutcomes() == {"repaired": 24}
    assert b"<failure" not in after.files["junit.xml"]


def test_x_begins_little_beyond_the_first_failure(twenty: Project) -> None:
    after = run(twenty, "-x", "--metaprompt-concurrency=1")
    assert after.code == 2  # as pytest-xdist ends under -x
    assert len(twenty.server.requests) == 1
    assert [case["id"] for case in after.report["suites"][0]["cases"]] == ["case-0"]


def test_a_worker_that_crashes_costs_no_call_and_no_line_of_the_report(twenty: Project) -> None:
    twenty.write(test_crash_dot_py="import os\n\ndef test_crash():\n    os._exit(3)\n")
    after = run(twenty)
    assert "crashed while running 'test_crash.py::test_crash'" in after.text
    assert len(twenty.server.requests) == 20
    assert len(after.report["suites"][0]["cases"]) == 20
    assert after.result.parseoutcomes() == {"passed": 18, "failed": 3}


def test_a_suite_that_cannot_be_used_is_told_once_and_nothing_runs(twenty: Project) -> None:
    twenty.suite(HEAD.replace("objective", "objektive") + cases(2), name="broken")
    after = run(twenty)
    assert after.code == 4
    assert after.text.count("objektive") == 1
    assert "INTERNALERROR" not in after.text
    assert not twenty.server.requests


def test_a_marker_that_cannot_be_used_is_told_once(twenty: Project) -> None:
    twenty.write(
        test_it_dot_py="import pytest\n\n@pytest.mark.metaprompt('routine.md', target='ecko:')\n"
        "def test_it(routine):\n    routine.run('hi')\n"
    )
    after = run(twenty)
    assert after.code == 4
    assert after.text.count("unknown provider 'ecko'") == 1
    assert not twenty.server.requests


def python_tests(project: Project) -> Project:
    project.write(
        test_it_dot_py="import pytest\n"
        "pytestmark = pytest.mark.metaprompt('routine.md', target='openai:small')\n"
        "@pytest.mark.parametrize('n', range(6))\n"
        "def test_it(routine, n):\n"
        "    assert routine.run(f'take {n}').text == str(max(n, 1))\n"
    )
    return project


def test_python_tests_ask_through_the_controller_and_stand_in_its_report(twenty: Project) -> None:
    env = {"OPENAI_BASE_URL": twenty.server.base_url, "OPENAI_API_KEY": "k"}
    python_tests(twenty)
    alone, asked = run(twenty, workers=0, env=env), len(twenty.server.requests)
    shared = run(twenty, env=env)
    assert len(twenty.server.requests) == 2 * asked == 52
    assert timeless(shared.report) == timeless(alone.report)
    capped = run(twenty, "--metaprompt-max-calls=4", "test_it.py", env=env)
    assert len(twenty.server.requests) == 56
    assert capped.report["usage"]["calls"] == 4
    assert capped.result.parseoutcomes()["errors"] == 2


def test_a_repair_that_needs_python_tests_is_refused_with_the_way_out(twenty: Project) -> None:
    env = {"OPENAI_BASE_URL": twenty.server.base_url, "OPENAI_API_KEY": "k"}
    python_tests(twenty)
    after = run(twenty, "--metaprompt-fix", "test_it.py", env=env)
    assert after.code == 1
    assert after.files["routine.md"] == b"You read numbers.\n"
    assert "run it with -n 0" in after.report["repairs"][0]["reason"]


def test_what_was_recorded_by_two_workers_is_replayed_by_them(twenty: Project) -> None:
    run(twenty, "--metaprompt-record=once")
    assert len(twenty.server.requests) == 20
    after = run(twenty, "--metaprompt-record=none")
    assert len(twenty.server.requests) == 20
    assert after.result.parseoutcomes() == {"passed": 18, "failed": 2}


def test_a_baseline_is_saved_and_compared_with(twenty: Project) -> None:
    run(twenty, "--metaprompt-save-baseline=base.json")
    after = run(twenty, "--metaprompt-baseline=base.json")
    assert after.report["suites"][0]["baseline"]["regressions"] == []
    missing = run(twenty, "--metaprompt-baseline=none.json")
    assert missing.code == 4
    assert missing.text.count("the baseline cannot be read") == 1


def test_a_routine_is_generated_once(twenty: Project) -> None:
    (twenty.path / "routine.md").unlink()
    after = run(twenty, "--metaprompt-generate")
    assert after.code == 4
    assert after.text.count("a routine is generated from a document") == 1


def test_a_project_without_suites_runs_as_ever(project: Project) -> None:
    project.write(test_it_dot_py="def test_it():\n    pass\n")
    after = run(project)
    assert after.result.parseoutcomes() == {"passed": 1}
    assert "metaprompt" not in "\n".join(after.result.outlines[6:])


@pytest.mark.parametrize("whom", ["everyone, as a terminal does", "the controller alone"])
def test_ctrl_c_leaves_no_process_behind(twenty: Project, whom: str) -> None:
    twenty.write(
        conftest_dot_py="import os, pathlib\n"
        "def pytest_sessionstart(session):\n"
        "    kind = 'worker' if hasattr(session.config, 'workerinput') else 'controller'\n"
        "    pathlib.Path(f'{kind}-{os.getpid()}.pid').write_text('')\n"
    )

    def processes(kind: str) -> list[int]:
        return [int(path.stem.partition("-")[2]) for path in twenty.path.glob(f"{kind}-*.pid")]

    def interrupt(body: Body) -> Fault:
        told = "*" if whom.startswith("everyone") else "controller"
        for pid in processes(told):
            os.kill(pid, signal.SIGINT)
        # Python may drop an interrupt that comes while it cleans up an object; a person would press the keys again.
        threading.Thread(target=insist, args=(processes("controller"),), daemon=True).start()
        return Fault.hang()

    def insist(pids: list[int]) -> None:
        done = threading.Event()
        while any(map(lives, pids)) and not done.wait(10):
            for pid in filter(lives, pids):
                os.kill(pid, signal.SIGINT)

    twenty.target = interrupt
    after = run(twenty, "--metaprompt-concurrency=1")
    assert after.code == 2
    assert len(processes("worker")) == 2
    ends = time.monotonic() + 30
    while any(map(lives, processes("*"))):
        assert time.monotonic() < ends, after.text


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
