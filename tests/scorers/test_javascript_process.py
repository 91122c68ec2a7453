"""V8 in processes of its own: whatever becomes of one, the checks go on."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_metaprompt.scorers import javascript_engines, javascript_process
from pytest_metaprompt.scorers.code import CodeError
from pytest_metaprompt.scorers.javascript_process import EngineDiedError, EnginePool

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the limits and signals are those of Linux")


@pytest.fixture
def pool():
    opened = EnginePool()
    yield opened
    opened.close()


def run(pool, program, *, seconds=5.0):
    return pool.run(program, seconds=seconds, memory=64_000_000)


def process_of(pool):
    [idle] = pool._idle
    return idle._process


def test_one_process_runs_one_program_after_the_other(pool):
    assert run(pool, "'a'") == {"value": "a"}
    first = process_of(pool).pid
    assert "missing" in run(pool, "missing")["error"]
    assert run(pool, "typeof globalThis.told") == {"value": "undefined"}
    assert process_of(pool).pid == first


@pytest.mark.parametrize("sent", [signal.SIGTRAP, signal.SIGSEGV, signal.SIGKILL])
def test_a_process_that_ended_is_replaced(pool, sent):
    run(pool, "'a'")
    process_of(pool).send_signal(sent)
    assert run(pool, "'b'") == {"value": "b"}


def test_a_process_that_does_not_answer_any_more_is_ended_and_replaced(pool, monkeypatch):
    monkeypatch.setattr(javascript_process, "GRACE_S", 1.0)
    run(pool, "'a'")
    process_of(pool).send_signal(signal.SIGSTOP)
    assert run(pool, "'b'", seconds=2.0) == {"value": "b"}


def test_a_program_that_does_not_end_costs_its_process(pool):
    assert run(pool, "while (true) {}", seconds=0.3) == {"stopped": "time"}
    assert pool._idle == []
    assert run(pool, "'a'") == {"value": "a"}


def test_typed_arrays_do_not_take_all_the_memory_of_the_machine(pool):
    said = run(pool, "const all = []; while (true) all.push(new Uint8Array(1e7).fill(1))")
    assert "Array buffer allocation failed" in said["error"]


def test_where_an_engine_cannot_start_the_check_is_an_error(monkeypatch, pool):
    monkeypatch.setattr(javascript_process, "_command", lambda: [sys.executable, "-c", "print('out of memory')"])
    with pytest.raises(EngineDiedError, match="out of memory"):
        run(pool, "1")
    monkeypatch.setattr(javascript_process, "POOL", pool)
    with pytest.raises(CodeError, match="it used more than 64 MB of memory"):
        javascript_engines.run_in_mini_racer("1")


LEAVE = """
from pytest_metaprompt.scorers.javascript_process import POOL

POOL.run("1", seconds=5.0, memory=64_000_000)
print(POOL._idle[0]._process.pid)
"""


def test_the_processes_end_with_ours():
    done = subprocess.run([sys.executable, "-W", "error", "-c", LEAVE], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert not Path(f"/proc/{int(done.stdout)}").exists()


SUITE = """\
routine: {inline: "Repeat."}
target: "echo:"
cases:
  - {id: plain, input: "a", expect: "a"}
  - {id: checked, input: "a", assert: [{type: javascript, value: "output === 'a'"}]}
"""

NO_ROOM = "import resource\nresource.setrlimit(resource.RLIMIT_AS, (6_000_000_000, 6_000_000_000))\n"


def test_an_engine_that_finds_no_memory_is_an_error_of_its_case_and_not_the_end_of_pytest(pytester):
    pytester.makefile(".metaprompt.yaml", s=SUITE)
    pytester.makeconftest(NO_ROOM)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["ERROR s.metaprompt.yaml:5: javascript: the JavaScript engine crashed*"])
    assert result.ret == 1


def test_without_a_limit_the_same_suite_passes(pytester):
    pytester.makefile(".metaprompt.yaml", s=SUITE)
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)
