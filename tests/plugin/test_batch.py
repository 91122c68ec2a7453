"""Runs through the Batch API: the same results as live, found again after an interruption, and never a false pass."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from pytest_metaprompt.testing import Fault, ScriptedBatches, ScriptedServer
from tests.conftest import RULE, After, Body, Project, append, envelope, obeys_the_rule

SUITE = """\
routine: routine.md
target: {model: openai:small, base_url: BASE, temperature: 0}
cases:
  - {id: good, input: "take 12", expect: "12"}
  - {id: bad, input: "take 13", expect: "14"}
  - {id: third, input: take 15, expect: "15"}
"""

Start = Callable[..., tuple[Project, ScriptedBatches]]


@pytest.fixture
def start(pytester: pytest.Pytester) -> Iterator[Start]:
    """A project whose server speaks the Batch API, too."""
    servers: list[ScriptedServer] = []

    def begin(suite: str = SUITE, **scripted: object) -> tuple[Project, ScriptedBatches]:
        batches = ScriptedBatches(**scripted)
        holder: list[Project] = []

        def script(body: Body) -> object:
            return holder[0].meta(body) if body["model"] == "big" else holder[0].target(body)

        server = ScriptedServer(script, beside=batches).__enter__()
        servers.append(server)
        holder.append(project := Project(pytester, server))
        return project.reads_numbers(suite), batches

    yield begin
    for server in servers:
        server.__exit__(None, None, None)


def run(project: Project, *args: str, **settings: object) -> After:
    return project.run("--metaprompt-batch", "--metaprompt-batch-poll=0", *args, **settings)


def lines_of(batches: ScriptedBatches) -> list[list[Body]]:
    return [[json.loads(line) for line in content.splitlines()] for content in batches.uploaded.values()]


def log_of(project: Project) -> str:
    path = project.path / ".metaprompt" / "batches.jsonl"
    return path.read_text() if path.exists() else ""


def without_times(report: Body) -> Body:
    text = json.dumps(report)
    return json.loads(re.sub(r'"(latency_s|seconds|created|finished)": [0-9.e-]+', r'"\1": 0', text))


def test_all_cases_go_out_in_one_batch_and_none_is_asked_live(start: Start) -> None:
    project, batches = start(states=("validating", "in_progress", "finalizing", "completed"))
    after = run(project)
    after.result.assert_outcomes(passed=2, failed=1)
    [lines] = lines_of(batches)
    assert [line["body"]["messages"][-1]["content"] for line in lines] == ["take 12", "take 13", "take 15"]
    assert {(line["method"], line["url"], line["body"]["temperature"]) for line in lines} == {
        ("POST", "/v1/chat/completions", 0)
    }
    assert len({line["custom_id"] for line in lines}) == 3
    assert project.server.requests == []
    assert "batch batch_1: 3 of 3 requests answered, at half of the usual price" in after.text


def test_the_report_is_that_of_a_live_run(start: Start) -> None:
    project, _ = start(SUITE.replace("cases:", "repeat: 2\ngate: {min_accuracy: 0.5}\ncases:"))
    batched = run(project)
    live = project.run("--metaprompt-no-cache")
    assert project.server.requests
    assert without_times(batched.report) == without_times(live.report)


def test_a_request_that_the_provider_refuses_is_an_error_of_its_case(start: Start) -> None:
    project, _ = start()
    project.target = lambda body: Fault.status(400, '{"error": {"message": "no"}}') if "13" in str(body) else "12"
    after = run(project)
    after.result.assert_outcomes(passed=1, failed=1, errors=1)
    assert "openai:small: 400: no" in after.text


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("expired", "This request was not executed before the window expired."),
        ("cancelled", "batch batch_1 was cancelled before this request was answered"),
    ],
)
def test_a_batch_that_ends_early_keeps_its_answers_and_the_rest_are_errors(start: Start, state: str, says: str) -> None:
    project, _ = start(states=("in_progress", state), answered=1)
    after = run(project)
    after.result.assert_outcomes(passed=1, errors=2)
    assert after.code == 1
    assert says in after.text
    assert "1 of 3 requests answered" in after.text


def test_a_batch_that_fails_as_a_whole_is_an_error_of_every_case_with_the_reason(start: Start) -> None:
    project, batches = start()
    project.suite(SUITE, name="more")
    # The provider refuses files that hold a request twice; here its word is scripted.
    batches.serve = _failing(batches.serve)
    after = run(project, "-k", "orders")
    after.result.assert_outcomes(errors=3)
    assert "batch batch_1 failed: line 2: the token limit of the queue is reached" in after.text
    assert log_of(project) == ""


def _failing(serve: Callable[..., Fault | None]) -> Callable[..., Fault | None]:
    def answer(method: str, path: str, *rest: object) -> Fault | None:
        if method == "GET" and path.startswith("/v1/batches/"):
            why = {"data": [{"line": 2, "message": "the token limit of the queue is reached"}]}
            return Fault(body=json.dumps({"id": "batch_1", "status": "failed", "errors": why}))
        return serve(method, path, *rest)

    return answer


def test_each_model_has_a_batch_of_its_own(start: Start) -> None:
    project, batches = start()
    project.suite(SUITE.replace("openai:small", "openai:tiny"), name="tiny")
    after = run(project)
    after.result.assert_outcomes(passed=4, failed=2)
    models = [{line["body"]["model"] for line in lines} for lines in lines_of(batches)]
    assert sorted(models, key=str) == [{"small"}, {"tiny"}]
    assert "batch_2: 3 of 3" in after.text


def test_an_equal_question_of_two_suites_is_sent_once(start: Start) -> None:
    project, batches = start()
    project.suite(SUITE, name="copy")
    run(project).result.assert_outcomes(passed=4, failed=2)
    assert [len(lines) for lines in lines_of(batches)] == [3]


def test_a_server_without_the_api_is_an_error_that_says_so(project: Project) -> None:
    project.write(routine_dot_md="You read numbers.\n")
    project.suite(SUITE)
    after = run(project)
    after.result.assert_outcomes(errors=3)
    assert "if the server has no Batch API, leave out --metaprompt-batch" in after.text
    assert project.server.requests == []


def test_a_missing_key_is_said_before_anything_is_sent(start: Start) -> None:
    project, batches = start(SUITE.replace(", base_url: BASE", ""))
    after = run(project)
    after.result.assert_outcomes(errors=3)
    assert "export OPENAI_API_KEY=" in after.text
    assert batches.uploaded == {}


def test_the_key_is_sent_and_shows_nowhere(start: Start) -> None:
    project, batches = start(faults={"begin": [Fault.status(400, '{"error": {"message": "bad key sk-secret-1"}}')]})
    after = run(project, "-vv", env={"OPENAI_API_KEY": "sk-secret-1"})
    after.result.assert_outcomes(errors=3)
    assert batches.keys == {"Bearer sk-secret-1"}
    assert "the batch could not be sent: 400: bad key ***" in after.text
    assert "sk-secret-1" not in after.text + log_of(project) + json.dumps(after.report)


def test_what_fails_in_passing_is_tried_again(start: Start) -> None:
    busy = Fault.status(503)
    project, batches = start(states=(busy, "in_progress", busy, busy, "completed"))
    run(project).result.assert_outcomes(passed=2, failed=1)
    assert len(batches.begun) == 1


def test_a_batch_of_which_there_is_no_news_is_found_again_by_the_next_run(start: Start) -> None:
    project, batches = start(states=(Fault.status(503),))
    after = run(project)
    after.result.assert_outcomes(errors=3)
    assert "batch batch_1: 503: scripted 503 (run the same command again" in after.text
    assert "batch batch_1 goes on at the provider" in after.text
    batches.begun["batch_1"].states = ["completed"]
    after = run(project)
    after.result.assert_outcomes(passed=2, failed=1)
    assert len(batches.uploaded) == 1
    assert log_of(project) == ""


def test_answers_that_were_not_wanted_are_still_there_for_a_later_run(start: Start) -> None:
    project, batches = start(states=(Fault.status(503),))
    run(project)
    batches.begun["batch_1"].states = ["completed"]
    run(project, "-k", "good").result.assert_outcomes(passed=1, deselected=2)
    assert len(json.loads(log_of(project))["keys"]) == 2
    run(project, "-k", "third").result.assert_outcomes(passed=1, deselected=2)
    assert len(batches.uploaded) == 1


def test_changed_cases_are_sent_beside_the_batch_that_is_under_way(start: Start) -> None:
    project, batches = start(states=(Fault.status(503),))
    run(project)
    batches.begun["batch_1"].states = batches.states = ["completed"]
    project.suite(SUITE.replace('take 13", expect: "14"', 'take 14", expect: "14"'))
    run(project).result.assert_outcomes(passed=3)
    assert [[line["body"]["messages"][-1]["content"] for line in lines] for lines in lines_of(batches)] == [
        ["take 12", "take 13", "take 15"],
        ["take 14"],
    ]


@pytest.mark.parametrize("ending", ["expired", "cancelled"])
def test_what_a_dead_batch_of_an_earlier_run_left_open_is_sent_again(start: Start, ending: str) -> None:
    project, batches = start(states=(Fault.status(503),), answered=2)
    run(project)
    batches.begun["batch_1"].states = [ending]
    batches.states = ("completed",)
    run(project).result.assert_outcomes(passed=2, failed=1)
    assert [len(lines) for lines in lines_of(batches)] == [3, 1]
    assert log_of(project) == ""


def test_a_batch_that_the_provider_has_forgotten_is_sent_again(start: Start) -> None:
    project, batches = start(states=(Fault.status(503),))
    run(project)
    del batches.begun["batch_1"]
    batches.states = ("completed",)
    run(project).result.assert_outcomes(passed=2, failed=1)
    assert len(batches.uploaded) == 2


def test_a_torn_line_in_the_log_is_passed_over(start: Start) -> None:
    project, batches = start(states=(Fault.status(503),))
    run(project)
    log = project.path / ".metaprompt" / "batches.jsonl"
    log.write_text('{"batch": "batch_0", "keys\n[]\n' + log.read_text())
    batches.begun["batch_1"].states = ["completed"]
    run(project).result.assert_outcomes(passed=2, failed=1)
    assert len(batches.uploaded) == 1


def test_ctrl_c_leaves_the_batch_running_and_says_how_to_go_on(start: Start) -> None:
    project, batches = start(states=(("in_progress", 1, 1),))
    run_under = [
        *("-p", "no:cacheprovider", "--metaprompt-batch", "--metaprompt-batch-poll=30", "--metaprompt-report=r.json"),
    ]
    child = project.pytester.spawn(f"{sys.executable} -m pytest {' '.join(run_under)}", expect_timeout=30)
    child.expect("batch batch_1: 1/3 done, 1 failed, next look in 30 s")
    child.kill(signal.SIGINT)
    child.expect("batch batch_1 goes on at the provider")
    child.expect("batches --cancel batch_1")
    child.wait()
    assert child.exitstatus == 2
    batches.begun["batch_1"].states = ["completed"]
    run(project).result.assert_outcomes(passed=2, failed=1)
    assert len(batches.uploaded) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent as POSIX has them")
def test_a_run_that_was_killed_is_gone_on_with_by_the_id_of_its_batch(start: Start) -> None:
    project, batches = start(states=(("in_progress", 1, 0),))
    child = project.pytester.spawn(
        f"{sys.executable} -m pytest -p no:cacheprovider --metaprompt-batch --metaprompt-batch-poll=30",
        expect_timeout=30,
    )
    child.expect("batch batch_1: 1/3 done, next look in 30 s")
    child.kill(signal.SIGKILL)
    child.wait()
    assert json.loads(log_of(project).splitlines()[-1])["batch"] == "batch_1"
    batches.begun["batch_1"].states = ["completed"]
    run(project).result.assert_outcomes(passed=2, failed=1)
    assert list(batches.begun) == ["batch_1"]
    assert log_of(project) == ""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent as POSIX has them")
def test_a_run_that_was_killed_while_its_batch_was_begun_does_not_begin_it_again(start: Start) -> None:
    project, batches = start(faults={"begun": [Fault.hang()]})
    served = batches.serve
    begun = threading.Event()

    def serve(method: str, path: str, *rest: object) -> Fault | None:
        answer = served(method, path, *rest)
        if (method, path) == ("POST", "/v1/batches"):
            begun.set()
        return answer

    batches.serve = serve
    child = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--metaprompt-batch"],
        cwd=project.path,
        stdout=subprocess.DEVNULL,
    )
    assert begun.wait(60)
    child.kill()
    child.wait()
    run(project).result.assert_outcomes(passed=2, failed=1)
    assert list(batches.begun) == ["batch_1"]


def test_a_batch_whose_answer_got_lost_is_paid_once(start: Start) -> None:
    project, batches = start(faults={"begun": [Fault.reset()]})
    run(project).result.assert_outcomes(passed=2, failed=1)
    assert list(batches.begun) == ["batch_1"]


def test_a_recorded_batch_is_replayed_without_a_server(start: Start) -> None:
    project, batches = start()
    recorded = run(project, "--metaprompt-record=once")
    recorded.result.assert_outcomes(passed=2, failed=1)
    assert len(recorded.files["cassettes/orders.jsonl"].splitlines()) == 3
    replayed = run(project, "--metaprompt-record=none")
    replayed.result.assert_outcomes(passed=2, failed=1)
    assert list(batches.begun) == ["batch_1"]
    assert replayed.files == recorded.files
    assert replayed.report["usage"]["cached"] == 3


def test_a_cassette_of_a_live_run_is_replayed_by_a_batch_and_only_new_calls_are_sent(start: Start) -> None:
    project, batches = start()
    project.run("--metaprompt-record=once")
    project.suite(SUITE.replace("take 15, expect", "take 16, expect"))
    refused = run(project, "--metaprompt-record=none")
    refused.result.assert_outcomes(passed=1, failed=1, errors=1)
    assert "the nearest recording differs in message 1 (user): 'take 16', recorded 'take 1" in refused.text
    assert batches.begun == {}
    run(project, "--metaprompt-record=new_episodes").result.assert_outcomes(passed=1, failed=2)
    assert [[line["body"]["messages"][-1]["content"] for line in lines] for lines in lines_of(batches)] == [["take 16"]]


def test_batches_are_listed_and_cancelled_by_a_command(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    from pytest_metaprompt.commands import main

    project, batches = start(states=(Fault.status(503),))
    run(project)
    capsys.readouterr()
    assert main(["batches", "--root", str(project.path)]) == 0
    assert re.search(r"batch_1  small  3 requests  begun \S+  at http://127", capsys.readouterr().out)
    assert main(["batches", "--cancel", "batch_7", "--root", str(project.path)]) == 1
    assert "no batch 'batch_7' here (did you mean 'batch_1'?" in capsys.readouterr().err
    assert main(["batches", "--cancel", "batch_1", "--root", str(project.path)]) == 0
    assert "batch batch_1 is cancelling" in capsys.readouterr().out
    assert batches.begun["batch_1"].status == "cancelling"


def test_a_batch_that_was_perhaps_begun_is_listed_as_that(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    from pytest_metaprompt.commands import main

    broken = [Fault.broken_off()]
    project, _ = start(faults={"begun": broken, "list": broken * 3})
    after = run(project)
    after.result.assert_outcomes(errors=3)
    assert "run the same command again: it looks for the batch before it sends another" in after.text
    capsys.readouterr()
    assert main(["batches", "--root", str(project.path)]) == 0
    assert re.search(r"^\(perhaps begun, of file-1\)  small  3 requests", capsys.readouterr().out, re.MULTILINE)
    assert main(["batches", "--cancel", "file-1", "--root", str(project.path)]) == 1
    run(project).result.assert_outcomes(passed=2, failed=1)
    assert log_of(project) == ""


def test_other_models_are_asked_live_and_the_summary_says_so(start: Start) -> None:
    project, batches = start()
    project.write(app_dot_py="def answer(messages):\n    return '12'\n")
    project.suite(SUITE.replace("openai:small, base_url: BASE, temperature: 0", "'python:app:answer'"), name="app")
    after = run(project, "--metaprompt-concurrency=1")
    after.result.assert_outcomes(passed=3, failed=3)
    assert "calls made live, beside or after the batch: 3 to python:app:answer" in after.text
    assert [len(lines) for lines in lines_of(batches)] == [3]


def test_python_tests_are_asked_live(start: Start) -> None:
    project, batches = start()
    project.write_bytes(
        "test_it.py",
        b"import pytest\n\n@pytest.mark.metaprompt('routine.md', target={'model': 'openai:small', 'base_url': '"
        + project.server.base_url.encode()
        + b"'})\ndef test_it(routine):\n    assert routine.run(input='take 7').text == '7'\n",
    )
    run(project).result.assert_outcomes(passed=3, failed=1)
    assert len(project.server.requests) == 1
    assert [len(lines) for lines in lines_of(batches)] == [3]


def test_a_repair_after_a_batch_works_live(start: Start) -> None:
    suite = SUITE.replace('expect: "14"', 'expect: "13"').replace(
        "cases:", "meta: {model: openai:big, base_url: BASE}\ncases:"
    )
    project, batches = start(suite)
    project.target = obeys_the_rule
    project.meta = lambda body: envelope(append(RULE))
    after = run(project, "--metaprompt-fix")
    assert after.code == 0
    assert RULE.encode() in after.files["routine.md"]
    assert len(batches.begun) == 1
    assert "calls made live, beside or after the batch:" in after.text


def test_a_cap_on_calls_holds_for_a_batch(start: Start) -> None:
    project, batches = start()
    run(project, "--metaprompt-max-calls=2").result.assert_outcomes(passed=1, failed=1, errors=1)
    assert [len(lines) for lines in lines_of(batches)] == [2]


@pytest.mark.parametrize("cap", ["--metaprompt-max-cost=1", "--metaprompt-max-tokens=100000"])
def test_under_a_cap_with_room_for_all_everything_still_goes_out_in_one_batch(start: Start, cap: str) -> None:
    project, batches = start(SUITE.replace("0}", "0, price: {input_per_mtok: 2, output_per_mtok: 10}}", 1))
    after = run(project, cap)
    after.result.assert_outcomes(passed=2, failed=1)
    assert [len(lines) for lines in lines_of(batches)] == [3]
    assert project.server.requests == []
    assert after.report["usage"]["cost_usd"] == pytest.approx(3 * 6e-6)


@pytest.mark.parametrize("cap", ["--metaprompt-max-cost=0.025", "--metaprompt-max-tokens=2500"])
def test_a_cap_with_room_for_two_replies_holds_for_a_batch(start: Start, cap: str) -> None:
    project, batches = start(SUITE.replace("0}", "0, price: {input_per_mtok: 2, output_per_mtok: 10}}", 1))
    run(project, cap, "--metaprompt-concurrency=3")
    assert [len(lines) for lines in lines_of(batches)] == [2]


def test_batches_and_worker_processes_do_not_go_together(start: Start) -> None:
    project, batches = start()
    after = project.run("--metaprompt-batch", "-n", "2", own_process=True)
    assert after.code == 4
    assert batches.uploaded == {}


def test_the_ini_file_can_ask_for_batches(start: Start) -> None:
    project, batches = start()
    project.write(pytest_dot_ini="[pytest]\nmetaprompt_batch = true\nmetaprompt_batch_poll = 0\n")
    project.run().result.assert_outcomes(passed=2, failed=1)
    assert len(batches.begun) == 1


def test_a_poll_time_that_is_none_is_a_usage_error(start: Start) -> None:
    project, _ = start()
    after = project.run("--metaprompt-batch", "--metaprompt-batch-poll=-1", own_process=True)
    assert after.code == 4
    assert "must be a number of seconds, is '-1'" in after.text


def test_a_batch_costs_half_and_what_it_answered_is_not_asked_again(start: Start) -> None:
    suite = SUITE.replace("temperature: 0", "temperature: 0, price: {input_per_mtok: 2, output_per_mtok: 10}")
    project, batches = start(suite)
    live = project.run("--metaprompt-no-cache")
    batched = run(project)
    assert live.report["usage"]["cost_usd"] == pytest.approx(3 * 12e-6)
    assert batched.report["usage"]["cost_usd"] == pytest.approx(3 * 6e-6)
    again = run(project, keep_cache=True)
    assert again.report["usage"]["cached"] == 3
    assert len(batches.begun) == 1
