"""What a held up run shows, and how it ends."""

import io

import pytest
from _pytest.terminal import TerminalReporter

from pytest_metaprompt.plugin import waiting
from pytest_metaprompt.plugin.waiting import Waiting
from pytest_metaprompt.testing import Fault, in_turn

SUITE = """
routine: {inline: "Answer with the number only."}
target: {model: openai:m, base_url: BASE}
cases:
  - {id: one, input: "1", expect: "1"}
  - {id: two, input: "2", expect: "2"}
"""


def echo(body):
    return body["messages"][-1]["content"]


def test_a_wait_is_shown_and_the_calls_made_again_are_counted(project, monkeypatch):
    monkeypatch.setattr(waiting, "SHOWN_EVERY_S", 0.05)
    monkeypatch.setattr("pytest_metaprompt.plugin.session.SHOWN_EVERY_S", 0.05)
    answers = in_turn(Fault.status(429, retry_after_s=1), None)
    project.target = lambda body: answers(body) or echo(body)
    project.suite(SUITE)
    after = project.run("--metaprompt-concurrency=1")
    assert after.code == 0
    assert "429: waiting 1 s, 0 under way" in after.text
    assert "2 calls (0 answered from the cache, 1 made again)" in after.text
    assert (after.report["usage"]["calls"], after.report["usage"]["retries"]) == (2, 1)


@pytest.fixture
def shown(pytestconfig):
    """A terminal of a size, and what was written on it."""

    def opened(*, isatty):
        written = io.StringIO()
        written.isatty = lambda: isatty
        terminal = TerminalReporter(pytestconfig, written)
        config = type(
            "Config", (), {"pluginmanager": type("Plugins", (), {"get_plugin": lambda self, name: terminal})()}
        )
        return config, written

    return opened


def test_in_a_log_lines_stay_so_one_is_written_now_and_then(shown):
    config, written = shown(isatty=False)
    now = 0.0
    line = Waiting(config, clock=lambda: now)
    for now in range(40):
        line.show(f"waiting, {now} s gone")
    line.end()
    assert written.getvalue().splitlines() == [f"waiting, {second} s gone" for second in (0, 15, 30)]


def test_on_a_terminal_one_line_is_renewed_and_taken_away(shown, monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    config, written = shown(isatty=True)
    line = Waiting(config)
    line.show("waiting 2 s")
    line.show("waiting 1 s")
    line.end()
    assert "\n" not in written.getvalue().strip("\n")
    assert written.getvalue().count("\r") >= 3
    assert written.getvalue().rstrip("\r").endswith(" ")


def test_nothing_is_shown_where_nothing_is_waited_for(shown):
    config, written = shown(isatty=True)
    line = Waiting(config)
    line.show(None)
    line.end()
    assert written.getvalue() == ""


def test_a_run_ends_when_its_time_is_up_and_what_has_no_answer_is_an_error(project):
    project.target = lambda body: Fault.hang() if echo(body) == "2" else echo(body)
    project.suite(SUITE)
    after = project.run("--metaprompt-timeout=1.5")
    after.result.assert_outcomes(passed=1, errors=1)
    assert after.code == 1
    assert "not answered in the 1.5 s of the run (raise --metaprompt-timeout)" in after.text
    outcomes = {case["id"]: case["outcome"] for case in after.report["suites"][0]["cases"]}
    assert outcomes == {"one": "passed", "two": "error"}
    assert after.report["usage"]["calls"] == 2


def test_the_time_limit_may_stand_in_the_ini_file_and_no_repair_begins_after_it(project):
    project.write(pytest_dot_ini="[pytest]\nmetaprompt_timeout = 1\n", routine_dot_md="Which number?\n")
    project.target = lambda body: Fault.hang() if echo(body) == "2" else "wrong"
    project.suite(SUITE.replace('{inline: "Answer with the number only."}', "routine.md"))
    after = project.run("--metaprompt-fix")
    assert after.code == 1
    assert "not repaired: the time of the run was up" in after.text
    assert after.report["repairs"] == []


@pytest.mark.parametrize("value", ["0", "-1", "soon", "nan", "inf"])
def test_a_time_limit_that_is_none_is_a_usage_error(project, value):
    project.suite(SUITE)
    after = project.run(f"--metaprompt-timeout={value}")
    assert after.code == 4
    assert "must be a number of seconds above 0" in after.text


def test_a_refused_key_is_told_by_every_case_after_few_calls(project):
    project.target = lambda body: Fault.status(401)
    cases = "".join(f"  - {{id: c{n}, input: '{n}', expect: '{n}'}}\n" for n in range(200))
    project.suite(f"{SUITE.partition('cases:')[0]}cases:\n{cases}")
    after = project.run("--metaprompt-concurrency=8")
    after.result.assert_outcomes(errors=200)
    assert len(project.server.requests) <= 8
    assert after.report["usage"]["calls"] == len(project.server.requests)
