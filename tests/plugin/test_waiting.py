"""What a held up run shows, and how it ends."""

import io

import pytest
from _pytest.terminal import TerminalReporter

from pytest_metaprompt.errors import Place
from pytest_metaprompt.plugin import waiting
from pytest_metaprompt.plugin.progress import Progress
from pytest_metaprompt.plugin.waiting import Waiting
from pytest_metaprompt.results import Attempt, CaseResult, Reply
from pytest_metaprompt.suites import Case
from pytest_metaprompt.testing import Fault, in_turn

RESULT = CaseResult(Case("one", Place("orders.metaprompt.yaml", 3)), (), "passed")

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


def test_on_a_terminal_one_line_below_is_renewed_and_taken_away(shown):
    config, written = shown(isatty=True)
    line = Waiting(config, environ={})
    line.show("waiting 2 s")
    line.show("waiting 1 s")
    line.end()
    draw = "\n\r\x1b[2K{}\x1b[1A\r".format
    assert written.getvalue() == draw("waiting 2 s") + draw("waiting 1 s") + draw("")


@pytest.mark.parametrize("environ", [{"CI": "true"}, {"TERM": "dumb"}])
def test_where_lines_cannot_be_renewed_they_stay(shown, environ):
    config, written = shown(isatty=True)
    line = Waiting(config, environ=environ)
    line.show("waiting 2 s")
    line.end()
    assert written.getvalue() == "waiting 2 s\n"


def test_in_a_log_progress_is_told_after_ten_seconds_and_ten_percent(shown):
    config, written = shown(isatty=False)
    now = 0.0
    progress = Progress([("orders", "")] * 100, clock=lambda: now)
    line = Waiting(config, clock=lambda: now)
    for now in range(100):
        progress.ended(now, RESULT)
        line.show(None, progress)
    told = [text.partition(",")[0] for text in written.getvalue().splitlines()]
    assert told == [f"metaprompt: {done}/100 cases" for done in range(11, 100, 10)]


def test_in_a_log_slow_progress_is_told_every_minute(shown):
    config, written = shown(isatty=False)
    now = 0.0
    progress = Progress([("orders", "")] * 1000, clock=lambda: now)
    line = Waiting(config, clock=lambda: now)
    for second in range(0, 200, 10):
        now = float(second)
        progress.ended(0, RESULT)
        line.show(None, progress)
    assert len(written.getvalue().splitlines()) == 3


def test_progress_tells_rate_errors_cost_and_the_time_left():
    now = 0.0
    progress = Progress([("orders", "")] * 400, clock=lambda: now)
    assert str(progress) == "0/400 cases"
    costly = Attempt(RESULT.case, reply=Reply("x", cost_usd=0.002), error="broken")
    for _ in range(100):
        progress.ended(0, CaseResult(RESULT.case, (costly,), "error"))
    now = 5.0
    assert str(progress) == "100/400 cases, 20/s, 100 errors, $0.2, 15 s left"


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
