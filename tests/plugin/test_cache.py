"""The cache as users meet it: what is asked once is not asked again, in this run or the next."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_metaprompt.testing import Fault, embedding
from tests.conftest import RULE, After, Body, Project, append, envelope, number_of, obeys_the_rule, system_of

SUITE = """\
routine: routine.md
target: {model: openai:small, base_url: BASE}
cases:
  - {id: one, input: "take 12", expect: "12"}
  - {id: two, input: "take 13", expect: "13"}
"""


@pytest.fixture
def small(project: Project) -> Project:
    return project.reads_numbers(SUITE)


def attempts_of(after: After) -> list[Body]:
    return [attempt for case in after.report["suites"][0]["cases"] for attempt in case["attempts"]]


def database(project: Project) -> Path:
    return project.path / ".metaprompt" / "cache.db"


def test_a_second_run_asks_nothing_and_says_so(small: Project) -> None:
    small.run()
    after = small.run(keep_cache=True)
    assert len(small.server.requests) == 2
    after.result.assert_outcomes(passed=2)
    assert [attempt["cached"] for attempt in attempts_of(after)] == [True, True]
    assert after.report["usage"]["calls"] == 0
    assert after.report["usage"]["cached"] == 2
    after.result.stdout.fnmatch_lines(["0 calls (2 answered from the cache), 0 tokens in, 0 out, *"])


def test_a_cached_reply_keeps_the_time_of_the_call_that_was_made(small: Project) -> None:
    small.target = lambda body: Fault.delay(0.2, number_of(body))
    first = small.run()
    second = small.run(keep_cache=True)
    assert all(attempt["latency_s"] >= 0.2 for attempt in attempts_of(second))
    assert [one["latency_s"] for one in attempts_of(second)] == pytest.approx(
        [one["latency_s"] for one in attempts_of(first)], abs=0.001
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda project: project.write(routine_dot_md="You read other numbers.\n"),
        lambda project: project.suite(SUITE.replace("BASE}", "BASE, temperature: 0.5}")),
        lambda project: project.suite(SUITE.replace("openai:small", "openai:other")),
    ],
)
def test_a_changed_question_is_asked(small: Project, change: Callable[[Project], object]) -> None:
    small.run()
    change(small)
    small.run(keep_cache=True)
    assert len(small.server.requests) == 4


def test_without_the_cache_nothing_is_read_or_written(small: Project) -> None:
    small.run("--metaprompt-no-cache")
    assert not database(small).exists()
    small.run()
    small.run("--metaprompt-no-cache", keep_cache=True)
    assert len(small.server.requests) == 6


EVERY_PATH = """\
routine: routine.md
target: {model: openai:small, base_url: BASE}
meta: {model: openai:big, base_url: BASE}
judge: {model: openai:judge, base_url: BASE}
embedding: {model: openai:vectors, base_url: BASE}
source: policy.md
objective: Read numbers.
cases:
  - {id: one, input: "take 12", expect: "12"}
  - {id: two, input: "take 13", assert: [{type: llm-rubric, value: "a number"}]}
  - {id: three, input: "take 14", assert: [{type: similar, value: "14", threshold: 0.1}]}
  - {id: four, input: "take 15", expect: "15"}
"""

TEST = """\
import pytest

@pytest.mark.metaprompt("other.md", target={"model": "openai:small", "base_url": "BASE"})
def test_it(routine):
    assert routine.run(input="take 16").text == "16"
"""


def test_no_path_leads_to_the_cache_where_it_is_switched_off(project: Project) -> None:
    def answer(body: Body) -> object:
        if "input" in body:
            return embedding(1.0, 0.5)
        if body["model"] == "judge":
            return '{"pass": true, "score": 1, "reason": "a number"}'
        return obeys_the_rule(body)

    drafted = json.dumps({"routine": "You read numbers.", "covers": ["all of it"], "questions": []})
    project.target = answer
    project.meta = lambda body: drafted if "policy" in str(body["messages"]).lower() else envelope(append(RULE))
    project.suite(EVERY_PATH)
    project.write(policy_dot_md="The policy: read numbers.\n", other_dot_md=f"{RULE}\n")
    project.write_bytes("test_it.py", TEST.replace("BASE", project.server.base_url).encode())

    def run(*args: str) -> tuple[After, Counter[str]]:
        (project.path / "routine.md").unlink(missing_ok=True)
        del project.server.requests[:]
        after = project.run("--metaprompt-generate", "--metaprompt-fix", *args, keep_cache=True)
        return after, Counter(request.body["model"] for request in project.server.requests)

    _, asked = run()
    assert set(asked) == {"small", "big", "judge", "vectors"}
    again, few = run()
    assert few.total() < asked.total()
    assert again.report["usage"]["cached"] > 0
    kept = database(project).read_bytes()
    after, anew = run("--metaprompt-no-cache", "--metaprompt-mutate")
    assert after.report["usage"]["cached"] == 0
    assert all(anew[model] >= count for model, count in asked.items())
    assert database(project).read_bytes() == kept


def test_attempts_of_a_case_are_asked_one_by_one_and_each_is_kept(small: Project) -> None:
    small.run("--metaprompt-repeat=2")
    assert len(small.server.requests) == 4
    after = small.run("--metaprompt-repeat=3", keep_cache=True)
    assert len(small.server.requests) == 6
    assert [one["cached"] for one in attempts_of(after)] == [True, True, False] * 2


def test_errors_are_asked_again(small: Project) -> None:
    small.target = lambda body: Fault.status(400, "no")
    small.run().result.assert_outcomes(errors=2)
    small.target = number_of
    small.run(keep_cache=True).result.assert_outcomes(passed=2)


def test_a_key_is_stored_nowhere_even_if_the_server_says_it(small: Project) -> None:
    key = "sk-very-secret-0123456789"
    small.target = lambda body: f"your key is {key}"
    after = small.run("--metaprompt-record=once", env={"OPENAI_API_KEY": key})
    after.result.assert_outcomes(failed=2)
    kept = [*(small.path / ".metaprompt").glob("cache.db*"), *(small.path / "cassettes").iterdir()]
    assert len(kept) >= 2
    assert not [path for path in kept if key.encode() in path.read_bytes()]
    assert any(b"your key is ***" in path.read_bytes() for path in kept)


def test_the_folder_of_the_cache_ignores_itself_in_git(small: Project) -> None:
    small.run()
    assert (small.path / ".metaprompt" / ".gitignore").read_text().endswith("*\n")


@pytest.mark.parametrize(
    "content", [b"not a database, and longer than its header " * 200, b"SQLite format 3\0" + b"?" * 9000]
)
def test_a_damaged_cache_is_set_aside_and_a_new_one_begun(small: Project, content: bytes) -> None:
    small.run()
    for path in (small.path / ".metaprompt").glob("cache.db*"):
        path.unlink()
    database(small).write_bytes(content)
    after = small.run(keep_cache=True)
    after.result.assert_outcomes(passed=2)
    after.result.stdout.fnmatch_lines(
        ["the cache was damaged; it is kept as *cache.damaged.db, and a new one was begun"]
    )
    assert (small.path / ".metaprompt" / "cache.damaged.db").read_bytes() == content
    again = small.run(keep_cache=True)
    assert again.report["usage"]["cached"] == 2
    assert "the cache was damaged" not in again.text


def test_a_cache_that_cannot_be_written_is_left_out(small: Project) -> None:
    database(small).mkdir(parents=True)
    after = small.run(keep_cache=True)
    after.result.assert_outcomes(passed=2)
    after.result.stdout.fnmatch_lines(["the cache *cache.db cannot be used, so it is left out: *"])


def test_replies_of_the_users_own_code_are_never_kept(project: Project) -> None:
    project.write(routine_dot_md="Hi.\n", bot_dot_py="def answer(messages):\n    return 'old'\n")
    suite = "routine: routine.md\ntarget: python:bot:answer\ncases:\n  - {id: one, input: hi, expect: new}\n"
    project.suite(suite)
    project.run(own_process=True).result.assert_outcomes(failed=1)
    project.write(bot_dot_py="def answer(messages):\n    return 'new'\n")
    project.run(own_process=True, keep_cache=True).result.assert_outcomes(passed=1)
    assert not database(project).exists()


def test_old_replies_are_forgotten_by_the_option(small: Project) -> None:
    small.run()
    with sqlite3.connect(database(small)) as file:
        file.execute("UPDATE replies SET made = made - 3 * 86400")
    file.close()
    small.run("--metaprompt-cache-days=5", keep_cache=True)
    assert len(small.server.requests) == 2
    small.run("-o", "metaprompt_cache_days=2", keep_cache=True)
    assert len(small.server.requests) == 4


def test_what_was_answered_before_ctrl_c_is_kept(small: Project) -> None:
    cases = "".join(f'  - {{id: c{n}, input: "take {n}", expect: "{n}"}}\n' for n in range(4))
    small.suite(SUITE[: SUITE.index("cases:")] + "cases:\n" + cases)
    small.target = lambda body: Fault.hang() if number_of(body) == "3" else number_of(body)
    process = subprocess.Popen([sys.executable, "-m", "pytest", "-q"], cwd=small.path, stdout=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while len(small.server.requests) < 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.2)  # The answers are on their way; nothing tells from outside when the last one has arrived.
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    small.target = number_of
    after = small.run(keep_cache=True)
    assert after.report["usage"]["cached"] == 3
    after.result.assert_outcomes(passed=4)


def test_workers_share_the_cache(small: Project) -> None:
    cases = "".join(f'  - {{id: c{n}, input: "take {n}", expect: "{n}"}}\n' for n in range(12))
    small.suite(SUITE[: SUITE.index("cases:")] + "cases:\n" + cases)
    pytester = small.pytester
    for _ in range(2):
        pytester.runpytest_subprocess("-n", "2", "-p", "no:hypothesispytest").assert_outcomes(passed=12)
    assert len(small.server.requests) == 12


def test_the_probe_of_a_second_repair_asks_anew(small: Project) -> None:
    cases = "".join(f'  - {{id: c{n}, input: "take {n}", expect: "{n}"}}\n' for n in range(6))
    small.suite(
        "routine: routine.md\ntarget: {model: openai:small, base_url: BASE}\n"
        "meta: {model: openai:big, base_url: BASE}\ncases:\n" + cases
    )
    small.target = obeys_the_rule
    small.meta = lambda body: envelope(append(RULE))
    first = small.run("--metaprompt-fix-mode=diff")
    asked = len(small.server.requests)
    second = small.run("--metaprompt-fix-mode=diff", keep_cache=True)
    assert second.report["repairs"][0]["diff"] == first.report["repairs"][0]["diff"] != ""
    probed = small.server.requests[asked:]
    assert len(probed) == 5
    assert {system_of(request.body) for request in probed} == {"You read numbers."}


def test_a_model_that_began_to_vary_since_it_was_cached_is_noticed(small: Project) -> None:
    cases = "".join(f'  - {{id: c{n}, input: "take {n}", expect: "{n}"}}\n' for n in range(6))
    small.suite(
        "routine: routine.md\ntarget: {model: openai:small, base_url: BASE}\n"
        "meta: {model: openai:big, base_url: BASE}\ncases:\n" + cases
    )
    counter = iter(range(10_000))

    def varying(body: Body) -> str:
        return f"{obeys_the_rule(body)}" + ("" if RULE in system_of(body) else f" {next(counter)}")

    small.meta = lambda body: envelope(append(RULE))
    small.target = obeys_the_rule
    small.run("--metaprompt-fix-mode=diff")
    small.target = varying
    small.run("--metaprompt-fix-mode=diff", keep_cache=True)
    journal = (small.path / ".metaprompt" / "journal.jsonl").read_text()
    assert '"mode": "deterministic"' in journal
    assert '"mode": "noisy"' in journal
