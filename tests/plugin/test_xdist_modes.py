"""What else a session can do, under pytest-xdist; and what is seen of it meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest

from pytest_metaprompt.testing import Fault
from tests.conftest import RULE, After, Body, Project, append, envelope, number_of, obeys_the_rule
from tests.plugin.test_generate import POLICY, draft
from tests.plugin.test_terminal import on_a_screen
from tests.plugin.test_xdist import HEAD, cases, run

OWN_CHECK = "defaults: {assert: [{type: python, value: 'file://checks.py:ok'}]}\n"


@pytest.fixture
def ten(project: Project) -> Project:
    """Ten cases that pass."""
    project.write(routine_dot_md="You read numbers.\n")
    project.suite(HEAD + cases(10))
    project.target = number_of
    return project


def git(project: Project, *arguments: str) -> None:
    identity = ["-c", "user.name=A", "-c", "user.email=a@b.example"]
    subprocess.run(["git", "-C", str(project.path), *identity, *arguments], check=True, capture_output=True)


def test_a_missing_routine_is_written_once_and_evaluated(ten: Project) -> None:
    (ten.path / "routine.md").unlink()
    ten.write(policy_dot_md=POLICY)
    ten.suite(HEAD + "source: policy.md\n" + cases(10))
    ten.meta = lambda body: draft(f"1. Read the number.\n2. {RULE}", "Reading -> 1", "Answering -> 2")
    after = run(ten, "--metaprompt-generate")
    assert after.code == 0, after.text
    assert after.files["routine.md"].decode() == f"1. Read the number.\n2. {RULE}\n"
    assert len(ten.asked("big")) == 1
    assert len(ten.asked("small")) == 10
    assert after.text.count("generated routine.md: 2 rules covered") == 1


def test_only_suites_with_changes_run_as_the_controller_finds(ten: Project) -> None:
    ten.write(other_dot_md="You read numbers, too.\n")
    ten.suite(HEAD.replace("routine.md", "other.md") + cases(10, first=300), name="other")
    ten.write(
        test_it_dot_py="import pytest\n\n@pytest.mark.metaprompt('routine.md', target='echo:')\n"
        "def test_it(routine):\n    routine.run('hi')\n"
    )
    git(ten, "init")
    git(ten, "add", ".")
    git(ten, "commit", "-m", "all")
    ten.write(other_dot_md="You read numbers well.\n")
    after = run(ten, "--metaprompt-changed")
    assert after.result.parseoutcomes() == {"passed": 10}
    assert {str(body) for body in ten.asked("small")} == {str(one) for one in ten.asked("small") if "well" in str(one)}
    assert after.text.count("1 of 3 suites have changes against HEAD") == 1
    unchanged = run(ten, "--metaprompt-changed=HEAD", "-p", "no:cacheprovider", "--ignore=other.metaprompt.yaml")
    assert unchanged.code == 0
    assert len(ten.asked("small")) == 10


def test_an_unknown_revision_is_told_once(ten: Project) -> None:
    git(ten, "init")
    after = run(ten, "--metaprompt-changed=nowhere")
    assert after.code == 4
    assert after.text.count("write --metaprompt-changed=BASE with a branch, tag or commit") == 1
    assert "node down" not in after.text
    assert not ten.server.requests


def test_what_no_case_guards_is_found_after_a_repair(ten: Project) -> None:
    ten.suite(HEAD + cases(24))
    ten.target, ten.meta = obeys_the_rule, lambda body: envelope(append(RULE))
    after = run(ten, "--metaprompt-fix", "--metaprompt-mutate")
    assert after.result.parseoutcomes() == {"repaired": 24}
    assert "routine.md: no case guards: 'You read numbers.'" in after.text
    assert f"no case guards: '{RULE}'" not in after.text


def test_spans_are_sent_by_the_controller_alone(ten: Project) -> None:
    ten.write(
        test_it_dot_py="import pytest\n\n@pytest.mark.metaprompt('routine.md', target='echo:')\n"
        "def test_it(routine):\n    routine.run('hi')\n"
    )
    after = run(ten, "--metaprompt-trace", env={"OTEL_TRACES_EXPORTER": "console"})
    assert after.text.count('"name": "case case-') == 10
    assert after.text.count('"name": "chat small"') == 10
    assert after.text.count('"name": "chat"') == 1  # of the Python test


def test_workers_that_crash_again_and_again_cost_no_call(ten: Project) -> None:
    ten.write(
        test_crash_dot_py="import os, pytest\n\n@pytest.mark.parametrize('n', range(4))\n"
        "def test_crash(n):\n    os._exit(3)\n"
    )
    after = run(ten)
    assert len(ten.server.requests) == 10
    assert len(after.report["suites"][0]["cases"]) == 10
    assert after.result.parseoutcomes() == {"passed": 10, "failed": 4}


def test_a_batch_is_refused_whichever_way_workers_are_asked_for(ten: Project) -> None:
    after = ten.run("--tx=2*popen", "--dist=load", "--metaprompt-batch", own_process=True)
    assert after.code == 4
    assert "--metaprompt-batch does not work under pytest-xdist" in after.text


def judges(project: Project, body: str) -> None:
    project.write(checks_dot_py=f"import os, time\n\ndef ok(output, context):\n{body}")
    project.suite(HEAD + OWN_CHECK + cases(10))


def reasons(after: After) -> list[Any]:
    every = [case["attempts"][0]["verdicts"] for case in after.report["suites"][0]["cases"]]
    return [verdict["reason"] for verdicts in every for verdict in verdicts if verdict["type"] == "python"]


def test_the_users_checks_are_run_by_all_workers(ten: Project) -> None:
    judges(ten, "    return {'pass': True, 'score': 1, 'reason': os.environ.get('PYTEST_XDIST_WORKER', 'nobody')}\n")
    # Later than the workers need from asking for the first case to offering their help.
    ten.target = lambda body: Fault.delay(2, number_of(body))
    after = run(ten)
    assert after.result.parseoutcomes() == {"passed": 10}
    assert {reason.rpartition("returned ")[2].rpartition(": ")[2] for reason in reasons(after)} == {"gw0", "gw1"}


def test_a_check_that_ends_its_process_is_an_error_of_its_case_and_of_no_other(ten: Project) -> None:
    judges(ten, "    return '103' not in output or ('PYTEST_XDIST_WORKER' in os.environ and os._exit(3))\n")
    ten.target = lambda body: Fault.delay(2, number_of(body))
    after = run(ten)
    outcomes = {case["id"]: case["outcome"] for case in after.report["suites"][0]["cases"]}
    assert outcomes == {f"case-{n}": "error" if n == 3 else "passed" for n in range(10)}
    assert "python: the worker process that ran it is gone" in json.dumps(after.report)
    assert len(ten.server.requests) == 10


def test_a_check_that_breaks_is_an_error_as_it_is_without_workers(ten: Project) -> None:
    judges(ten, "    raise ValueError('no such number')\n")
    alone, shared = run(ten, workers=0), run(ten)
    told = [{case["attempts"][0]["error"] for case in one.report["suites"][0]["cases"]} for one in (alone, shared)]
    assert told[0] == told[1] != {None}
    assert alone.result.parseoutcomes() == shared.result.parseoutcomes() == {"errors": 10}


@pytest.mark.parametrize("args", [(), ("-q",)])
def test_a_wait_is_told_while_workers_wait(ten: Project, args: tuple[str, ...]) -> None:
    held = iter([Fault.status(429, retry_after_s=4)])
    ten.target = lambda body: next(held, None) or number_of(body)
    after = run(ten, "--metaprompt-concurrency=1", *args)
    assert after.result.parseoutcomes() == {"passed": 10}
    assert "429: waiting" in after.text


def test_a_line_below_tells_how_far_it_is_and_leaves_no_trace(ten: Project) -> None:
    def slow(body: Body) -> object:
        return Fault.delay(4, number_of(body)) if int(number_of(body)) > 105 else number_of(body)

    ten.target = slow
    during, after = on_a_screen(ten, "-n2", "--metaprompt-no-cache", "-p", "no:hypothesispytest", wait_for="/10 cases")
    assert any("6/10 cases" in line for line in during)
    assert not any("/10 cases" in line for line in after)
    assert any("10 passed" in line for line in after)
    assert any(line == "metaprompt: 10 cases passed" for line in after), os.linesep.join(after)
