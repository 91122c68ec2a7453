"""Cassettes as users meet them: recorded once, committed, read in a diff, replayed without a network or a key."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_metaprompt.testing import Fault
from tests.conftest import RULE, After, Body, Project, append, envelope, number_of, obeys_the_rule, system_of

SUITE = """\
routine: routine.md
target: {model: openai:small, base_url: BASE, temperature: 0}
cases:
  - {id: one, input: "take 12", expect: "12"}
  - {id: two, input: "take 13", expect: "13"}
"""
CASSETTE = "cassettes/orders.jsonl"


@pytest.fixture
def small(project: Project) -> Project:
    return project.reads_numbers(SUITE)


def lines_of(project: Project) -> list[Body]:
    return [json.loads(line) for line in (project.path / CASSETTE).read_text(encoding="utf-8").splitlines()]


def record(project: Project, mode: str = "once", *args: str) -> Any:
    return project.run(f"--metaprompt-record={mode}", *args)


def unplug(project: Project) -> None:
    """From now on every call fails, and would be seen."""
    project.server.requests.clear()
    project.target = project.meta = lambda body: Fault.status(400, "the network was used")


def test_a_cassette_is_a_line_a_call_in_a_stable_order(small: Project) -> None:
    after = record(small)
    first, second = lines_of(small)
    assert first == {
        "role": "target",
        "model": "openai:small",
        "sample": 0,
        "params": {"temperature": 0},
        "messages": [{"role": "system", "content": "You read numbers."}, {"role": "user", "content": "take 12"}],
        "reply": {
            "text": "12",
            "finish_reason": "stop",
            "usage": {"input_tokens": 1, "output_tokens": 1},
            "latency_s": first["reply"]["latency_s"],
        },
    }
    assert second["messages"][1]["content"] == "take 13"
    after.result.stdout.fnmatch_lines(["cassettes/orders.jsonl: 0 calls replayed, 2 recorded"])


def test_a_replay_needs_neither_a_server_nor_a_key(small: Project) -> None:
    record(small)
    suite = (small.path / "orders.metaprompt.yaml").read_text()
    small.suite(suite.replace(f", base_url: {small.server.base_url}", ""))
    unplug(small)
    after = record(small, "none")
    after.result.assert_outcomes(passed=2)
    assert not small.server.requests
    assert after.report["usage"] == {**after.report["usage"], "calls": 0, "cached": 2, "cost_usd": 0.0}
    assert [case["attempts"][0]["cached"] for case in after.report["suites"][0]["cases"]] == [True, True]
    after.result.stdout.fnmatch_lines(
        ["0 calls (2 answered from cassettes and the cache)*", "cassettes/orders.jsonl: 2 calls replayed, 0 recorded"]
    )


def test_mode_none_never_asks_even_what_the_cache_knows(small: Project) -> None:
    small.run()
    after = small.run("--metaprompt-record=none", keep_cache=True)
    after.result.assert_outcomes(errors=2)
    assert len(small.server.requests) == 2
    assert after.report["usage"]["calls"] == 0
    assert "this call is not recorded: there is no cassette cassettes/orders.jsonl" in after.text
    assert "--metaprompt-record=new_episodes" in after.text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("temperature: 0", "temperature: 0.5"), "temperature: 0.5, recorded 0"),
        (("temperature: 0", "seed: 1"), "seed: 1, recorded without it"),
        (("openai:small", "openai:smart"), "the model: openai:smart, recorded openai:small"),
        (("take 13", "take 13 please"), "message 1 (user): 'take 13 please', recorded 'take 13'"),
        (("cases:", "repeat: 2\ncases:"), "the sample: number 1 of this call, recorded 0"),
    ],
)
def test_a_call_that_is_not_recorded_names_the_nearest_and_what_differs(
    small: Project, change: tuple[str, str], said: str
) -> None:
    record(small)
    small.suite(SUITE.replace(*change))
    unplug(small)
    after = record(small, "none")
    assert after.code == 1
    assert not small.server.requests
    errors = [one["error"] for case in after.report["suites"][0]["cases"] for one in case["attempts"] if one["error"]]
    assert any(f"the nearest recording differs in {said}" in error for error in errors)


def test_once_replays_an_existing_cassette_and_refuses_new_calls(small: Project) -> None:
    record(small)
    small.suite(SUITE + '  - {id: three, input: "take 14", expect: "14"}\n')
    after = record(small)
    after.result.assert_outcomes(passed=2, errors=1)
    assert len(small.server.requests) == 2
    assert len(lines_of(small)) == 2


def test_new_episodes_asks_only_what_is_new(small: Project) -> None:
    record(small)
    before = (small.path / CASSETTE).read_text().splitlines()
    small.suite(SUITE + '  - {id: three, input: "take 14", expect: "14"}\n')
    record(small, "new_episodes").result.assert_outcomes(passed=3)
    after = (small.path / CASSETTE).read_text().splitlines()
    assert len(small.server.requests) == 3
    assert [line for line in after if line not in before] == after[2:]
    assert after[:2] == before


def test_rewrite_asks_everything_and_changes_only_the_lines_of_other_replies(small: Project) -> None:
    record(small)
    before = (small.path / CASSETTE).read_text().splitlines()
    small.target = lambda body: "thirteen" if number_of(body) == "13" else number_of(body)
    after = small.run("--metaprompt-record=rewrite", keep_cache=True)
    after.result.assert_outcomes(passed=1, failed=1)
    assert len(small.server.requests) == 4
    now = (small.path / CASSETTE).read_text().splitlines()
    assert now[0] == before[0]
    assert json.loads(now[1])["reply"]["text"] == "thirteen"


def test_rewrite_drops_what_is_not_used_any_more_but_only_after_a_whole_run(small: Project) -> None:
    record(small)
    record(small, "rewrite", "-k", "one")
    assert len(lines_of(small)) == 2
    small.suite(SUITE.replace("take 13", "take 14").replace('"13"', '"14"'))
    record(small, "rewrite")
    assert [line["messages"][1]["content"] for line in lines_of(small)] == ["take 12", "take 14"]


def test_errors_are_not_recorded(small: Project) -> None:
    small.target = lambda body: Fault.status(400, "no") if number_of(body) == "13" else number_of(body)
    record(small).result.assert_outcomes(passed=1, errors=1)
    assert len(lines_of(small)) == 1


def test_in_ci_a_committed_cassette_is_replayed(small: Project) -> None:
    record(small)
    unplug(small)
    small.run(env={"CI": "true"}).result.assert_outcomes(passed=2)
    assert not small.server.requests
    (small.path / CASSETTE).unlink()
    small.run(env={"CI": "true"}).result.assert_outcomes(errors=2)
    assert small.server.requests


def test_outside_of_ci_a_cassette_waits_until_it_is_asked_for(small: Project) -> None:
    record(small)
    small.run().result.assert_outcomes(passed=2)
    assert len(small.server.requests) == 4


def test_the_mode_may_stand_in_the_ini_file_and_a_wrong_one_is_told(small: Project) -> None:
    small.run("-o", "metaprompt_record=once")
    assert len(lines_of(small)) == 2
    after = small.run("--metaprompt-record=onec")
    assert after.code == 4
    assert "did you mean 'once'?" in after.text


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("<<<<<<< HEAD", "orders.jsonl:2: the cassette cannot be used: a merge conflict: keep both sides"),
        ("{", "orders.jsonl:2: the cassette cannot be used: not valid JSON"),
        ('{"role": "target"}', "orders.jsonl:2: the cassette cannot be used: not a recorded call"),
    ],
)
def test_a_cassette_that_cannot_be_used_is_a_usage_error(small: Project, line: str, said: str) -> None:
    record(small)
    path = small.path / CASSETTE
    first, *rest = path.read_text().splitlines()
    path.write_text("\n".join([first, line, *rest]) + "\n")
    after = record(small, "none")
    assert after.code == 4
    assert said in after.text


def test_two_branches_merge_by_keeping_the_lines_of_both(small: Project) -> None:
    record(small)
    path = small.path / CASSETTE
    path.write_text("\n" + path.read_text() * 2)
    unplug(small)
    record(small, "none").result.assert_outcomes(passed=2)


def test_what_was_recorded_before_an_interruption_is_kept(small: Project) -> None:
    small.write(conftest_dot_py="def pytest_runtest_teardown(item):\n    raise KeyboardInterrupt\n")
    after = small.run("--metaprompt-record=once", own_process=True)
    assert after.code == 2
    assert len(lines_of(small)) >= 1


def test_a_password_and_a_key_in_a_message_are_not_recorded(small: Project) -> None:
    key = "sk-very-secret-0123456789"
    small.suite(
        SUITE.replace("BASE", small.server.base_url.replace("://", "://ada:pass-word@")).replace("take 12", key)
    )
    small.run("--metaprompt-record=once", env={"OPENAI_API_KEY": key})
    text = (small.path / CASSETTE).read_text()
    assert key not in text
    assert "pass-word" not in text
    assert '"content": "***"' in text


def test_the_users_own_code_is_run_and_not_replayed(project: Project) -> None:
    project.write(routine_dot_md="Hi.\n", bot_dot_py="def answer(messages):\n    return 'old'\n")
    project.suite("routine: routine.md\ntarget: python:bot:answer\ncases:\n  - {id: one, input: hi, expect: new}\n")
    project.run("--metaprompt-record=once", own_process=True).result.assert_outcomes(failed=1)
    project.write(bot_dot_py="def answer(messages):\n    return 'new'\n")
    project.run("--metaprompt-record=none", own_process=True).result.assert_outcomes(passed=1)


FIX = """\
routine: routine.md
target: {model: openai:small, base_url: BASE}
meta: {model: openai:big, base_url: BASE}
cases:
"""


def assert_replayed_to_the_same_bytes(project: Project, first: After) -> None:
    """The repair of a first run, once more from its cassette and without a server."""
    project.write(routine_dot_md="You read numbers.\n")
    unplug(project)
    second = record(project, "none", "--metaprompt-fix")
    assert not project.server.requests
    assert second.files["routine.md"] == first.files["routine.md"]
    assert second.files[CASSETTE] == first.files[CASSETTE]
    for key in ("status", "reason", "before", "after", "fixed", "flaky", "broken", "holdout", "proposals", "diff"):
        assert second.report["repairs"][0][key] == first.report["repairs"][0][key], key


def test_a_whole_repair_of_a_noisy_model_replays_offline_to_the_same_bytes(project: Project) -> None:
    chance = random.Random(7)

    def noisy(body: Body) -> Any:
        flips = int(number_of(body)) % 7 == 0 and chance.random() < 0.5
        reply = f"{obeys_the_rule(body)}" if not flips else "dunno"
        return Fault.delay(chance.random() / 100, reply if RULE in system_of(body) else f"{reply} {chance.random()}")

    project.target = noisy
    project.meta = lambda body: envelope(append(RULE), append("Be brief, and polite."))
    project.write(routine_dot_md="You read numbers.\n")
    project.suite(FIX + "".join(f'  - {{id: c{n}, input: "take {n}", expect: "{n}"}}\n' for n in range(1, 31)))
    first = record(project, "once", "--metaprompt-fix")
    assert first.report["repairs"][0]["status"] == "applied"
    assert {line["role"] for line in lines_of(project)} == {"target", "meta"}
    assert_replayed_to_the_same_bytes(project, first)


JUDGED = """\
routine: routine.md
target: {model: openai:small, base_url: BASE, temperature: 1}
meta: {model: openai:big, base_url: BASE}
judge: {model: openai:judge, base_url: BASE}
repeat: 2
min_pass: 1
cases:
"""


def test_a_whole_repair_with_a_noisy_judge_replays_offline_to_the_same_bytes(project: Project) -> None:
    chance = random.Random(11)

    def both(body: Body) -> Any:
        if body["model"] != "judge":
            said = obeys_the_rule(body)
            return Fault.delay(chance.random() / 100, said if RULE in system_of(body) else f"{said} {chance.random()}")
        good = "number is" not in str(body["messages"][-1]["content"])
        holds = good != (chance.random() < 0.1)
        return Fault.delay(chance.random() / 100, json.dumps({"pass": holds, "score": float(holds), "reason": "so"}))

    project.target = both
    project.meta = lambda body: envelope(append(RULE), append("Be brief, and polite."))
    project.write(routine_dot_md="You read numbers.\n")
    rubric = "assert: [{type: llm-rubric, value: a bare number}]"
    project.suite(JUDGED + "".join(f'  - {{id: c{n}, input: "take {n}", {rubric}}}\n' for n in range(1, 25)))
    first = record(project, "once", "--metaprompt-fix")
    assert {line["role"] for line in lines_of(project)} == {"target", "judge", "meta"}
    assert_replayed_to_the_same_bytes(project, first)


def test_a_proposal_that_breaks_a_case_is_refused_in_the_replay_for_the_same_reason(project: Project) -> None:
    chance = random.Random(3)

    def target(body: Body) -> Any:
        number, obeys = int(number_of(body)), RULE in system_of(body)
        reply = f"{number}" if obeys != (number > 20) else "sorry"
        return Fault.delay(chance.random() / 30, reply)

    project.target = target
    project.meta = lambda body: envelope(append(RULE))
    project.write(routine_dot_md="You read numbers.\n")
    project.suite(FIX + "".join(f'  - {{id: c{n}, input: "take {n}", expect: "{n}"}}\n' for n in range(1, 61)))
    first = record(project, "once", "--metaprompt-fix")
    unplug(project)
    second = record(project, "none", "--metaprompt-fix")
    assert first.report["repairs"][0]["status"] == second.report["repairs"][0]["status"] == "rejected"
    assert second.report["repairs"][0]["proposals"] == first.report["repairs"][0]["proposals"]
    assert not project.server.requests


def test_a_repair_that_ran_out_of_calls_runs_out_again_in_the_replay(project: Project) -> None:
    project.target = obeys_the_rule
    project.meta = lambda body: envelope(append("Be brief."))
    project.write(routine_dot_md="You read numbers.\n")
    cases = "".join(f'  - {{id: c{n}, input: "take {n}", expect: "{n}"}}\n' for n in range(1, 13))
    project.suite(FIX.replace("cases:", "fix: {budget: {calls: 12}}\ncases:") + cases)
    first = record(project, "once", "--metaprompt-fix", "--metaprompt-concurrency=1")
    unplug(project)
    second = record(project, "none", "--metaprompt-fix", "--metaprompt-concurrency=1")
    for after in (first, second):
        assert after.report["repairs"][0]["reason"] == "the budget of 12 calls is used up"
    assert not project.server.requests


def test_a_replay_in_a_process_of_its_own_opens_no_connection(small: Project, tmp_path: Path) -> None:
    record(small)
    guard = tmp_path / "guard"
    guard.mkdir()
    (guard / "sitecustomize.py").write_text(
        "import socket\n\ndef refuse(*args, **kwargs):\n    raise RuntimeError('a connection was opened')\n\n"
        "socket.socket.connect = refuse\nsocket.create_connection = refuse\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--metaprompt-record=none", "-p", "no:hypothesispytest"],
        cwd=small.path,
        env={"PATH": "", "PYTHONPATH": str(guard)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr
    assert "openai" not in done.stderr
