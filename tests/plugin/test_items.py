"""Suites as pytest users meet them: ids, selection, outcomes, pages, exit codes."""

from __future__ import annotations

import os
import re
import signal
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from tests.conftest import RULE, Body, Project, append, envelope, number_of, obeys_the_rule, system_of

SUITE = """\
routine: routine.md
target: {model: openai:small, base_url: BASE}
cases:
  - {id: good, input: "take 12", expect: "12", tags: [sums]}
  - {id: bad, input: "take 13", expect: "14", tags: [sums, hard]}
  - id: third
    input: take 15
    assert:
      - {type: contains, value: "15"}
      - {type: not-contains, value: "!"}
"""


@pytest.fixture
def small(project: Project) -> Project:
    return project.reads_numbers(SUITE)


def test_cases_are_items_with_readable_ids(small: Project) -> None:
    after = small.run("--collect-only", "-q")
    assert after.result.outlines[:3] == [
        "orders.metaprompt.yaml::good",
        "orders.metaprompt.yaml::bad",
        "orders.metaprompt.yaml::third",
    ]
    assert not small.server.requests


def test_v_shows_the_ids_that_can_be_typed(small: Project) -> None:
    small.suite(SUITE.replace("id: good", "id: v1.2").replace("cases:", "gate: {min_accuracy: 0.6}\ncases:"))
    after = small.run("-v")
    after.result.stdout.fnmatch_lines(["orders.metaprompt.yaml::v1.2 PASSED*", "orders.metaprompt.yaml::gate PASSED*"])
    small.run("orders.metaprompt.yaml::v1.2").result.assert_outcomes(passed=1)


def test_passed_and_failed_cases_are_counted_and_the_exit_code_is_1(small: Project) -> None:
    after = small.run()
    after.result.assert_outcomes(passed=2, failed=1)
    assert after.code == 1


def test_a_failing_case_prints_the_case_the_messages_the_reply_and_what_differs(small: Project) -> None:
    after = small.run()
    after.result.stdout.fnmatch_lines(
        [
            "*bad*",
            "case       bad  (orders.metaprompt.yaml:5)",
            "target     openai:small",
            "system     You read numbers.",
            "user       take 13",
            "reply      13",
            "FAIL equals: *14*13*",
            "FAILED orders.metaprompt.yaml::bad - equals: *",
        ]
    )


@pytest.mark.parametrize(
    ("args", "ids"),
    [
        (["-k", "good"], ["good"]),
        (["-m", "hard"], ["bad"]),
        (["-m", "sums and not hard"], ["good"]),
        (["orders.metaprompt.yaml::third"], ["third"]),
    ],
)
def test_only_what_is_selected_is_asked(small: Project, args: list[str], ids: list[str]) -> None:
    after = small.run(*args)
    assert [case["id"] for suite in after.report["suites"] for case in suite["cases"]] == ids
    assert len(small.server.requests) == len(ids)


def test_last_failed_runs_what_failed(small: Project) -> None:
    small.run()
    asked = len(small.server.requests)
    after = small.run("--lf")
    assert len(small.server.requests) == asked + 1
    assert after.report["suites"][0]["cases"][0]["id"] == "bad"


def test_last_failed_runs_the_cases_that_fail_under_a_gate(small: Project) -> None:
    small.suite(SUITE.replace("cases:", "gate: {min_accuracy: 0.9}\ncases:"))
    small.run()
    after = small.run("--lf")
    assert [case["id"] for case in after.report["suites"][0]["cases"]] == ["bad"]
    assert "orders.metaprompt.yaml: gate not judged: 2 of 3 cases were not selected" in after.text


def test_last_failed_leaves_out_what_a_repair_put_right(small: Project) -> None:
    head = SUITE.partition("cases:")[0] + "meta: {model: openai:big, base_url: BASE}\n"
    small.suite(head + 'cases:\n  - {id: a, input: take 1, expect: "1"}\n  - {id: b, input: take 2, expect: "2"}\n')
    small.write(test_dot_py="def test_other(): assert False\n", pytest_dot_ini="[pytest]\npython_files = test.py\n")
    small.target, small.meta = obeys_the_rule, lambda body: envelope(append(RULE))
    small.run("--metaprompt-fix").result.assert_outcomes(failed=1)
    small.run("--lf").result.assert_outcomes(failed=1)


def test_x_stops_at_the_first_failure_and_asks_for_nothing_beyond_it(small: Project) -> None:
    after = small.run("-x", "--metaprompt-concurrency=1")
    after.result.assert_outcomes(passed=1, failed=1)
    assert len(small.server.requests) == 2


def test_junit_xml_holds_every_case(small: Project) -> None:
    small.run("--junitxml=junit.xml")
    cases = ET.parse(small.path / "junit.xml").findall(".//testcase")
    assert [case.get("name") for case in cases] == ["good", "bad", "third"]
    assert [len(case.findall("failure")) for case in cases] == [0, 1, 0]


def test_a_gate_lets_single_cases_fail_and_judges_the_whole(small: Project) -> None:
    small.suite(SUITE.replace("cases:", "gate: {min_accuracy: 0.6}\ncases:"))
    after = small.run()
    assert after.code == 0
    after.result.assert_outcomes(passed=3)
    after.result.stdout.fnmatch_lines(["*failed bad: equals: *", "*orders.metaprompt.yaml*openai:small*2/3*passed*"])
    assert after.report["gates"][0]["passed"] is True


def test_a_gate_that_is_not_reached_fails_the_run(small: Project) -> None:
    small.suite(SUITE.replace("cases:", "gate: {min_accuracy: 0.9}\ncases:"))
    after = small.run()
    assert after.code == 1
    after.result.stdout.fnmatch_lines(["FAILED orders.metaprompt.yaml::gate - accuracy 2/3 = 0.67 (*"])


def test_a_gate_on_a_selection_is_skipped_with_the_reason(small: Project) -> None:
    small.suite(SUITE.replace("cases:", "gate: {min_accuracy: 0.9}\ncases:"))
    after = small.run("-k", "good or gate", "-rs")
    after.result.assert_outcomes(passed=1, skipped=1)
    assert "gate not judged: 2 of 3 cases were not selected" in after.text


def test_an_option_gives_a_gate_to_suites_that_have_none(small: Project) -> None:
    after = small.run("--metaprompt-min-accuracy=0.5")
    assert after.code == 0
    assert after.report["gates"][0]["reasons"] == ["accuracy 2/3 = 0.67 (0.21-0.94), at least 0.5"]


def test_a_provider_error_is_an_error_and_no_pass(small: Project) -> None:
    from pytest_metaprompt.testing import Fault

    small.target = lambda body: Fault.status(400, "nothing for you") if "13" in str(body) else number_of(body)
    after = small.run()
    after.result.assert_outcomes(passed=2, errors=1)
    assert after.code == 1
    assert after.report["suites"][0]["cases"][1]["outcome"] == "error"
    assert after.report["suites"][0]["accuracy"]["total"] == 3


def test_a_missing_key_says_what_to_type(small: Project) -> None:
    small.suite(SUITE.replace(", base_url: BASE", ""))
    after = small.run("-k", "good")
    assert "export OPENAI_API_KEY=" in after.text
    assert after.code == 1


def test_repeat_asks_several_times_and_min_pass_forgives(small: Project) -> None:
    replies = iter(["12", "no", "12"])
    small.target = lambda body: next(replies)
    small.suite(SUITE.replace("cases:", "repeat: 3\nmin_pass: 2\ncases:"))
    after = small.run("-k", "good", "--metaprompt-concurrency=1")
    assert after.code == 0
    assert [attempt["text"] for attempt in after.report["suites"][0]["cases"][0]["attempts"]] == ["12", "no", "12"]


@pytest.mark.parametrize(
    "args", [["--metaprompt-fix-mode=aply"], ["--metaprompt-concurrency=0"], ["--metaprompt-report=x.pdf"]]
)
def test_a_wrong_option_value_is_a_usage_error(small: Project, args: list[str]) -> None:
    after = small.run(*args)
    assert after.code == 4
    assert "argument --metaprompt" in after.text
    assert not small.server.requests


def test_ctrl_c_in_the_middle_of_a_run_stops_at_once_and_reports_what_is_known(small: Project) -> None:
    from pytest_metaprompt.testing import Fault

    small.write(conftest_dot_py="import os, pathlib\npathlib.Path('pid.txt').write_text(str(os.getpid()))\n")

    def target(body: Body) -> Any:
        if "13" not in str(body):
            return number_of(body)
        os.kill(int((small.path / "pid.txt").read_text()), signal.SIGINT)
        return Fault.hang()

    small.target = target
    after = small.run("--metaprompt-concurrency=1", own_process=True)
    assert after.code == 2
    assert "Traceback" not in after.text
    assert [case["id"] for case in after.report["suites"][0]["cases"]] == ["good"]


def test_without_a_terminal_a_repair_still_sets_the_exit_code(small: Project) -> None:
    small.suite(SUITE.replace("cases:", "meta: {model: openai:big, base_url: BASE}\ncases:"))
    small.target = lambda body: "14" if "13" in str(body) and RULE in system_of(body) else number_of(body)
    small.meta = lambda body: envelope(append(RULE))
    after = small.run("--metaprompt-fix", "-p", "no:terminal")
    assert after.code == 0
    assert after.report["repairs"][0]["status"] == "applied"


def test_a_wrong_ini_value_is_a_usage_error(small: Project) -> None:
    small.write(pytest_dot_ini="[pytest]\nmetaprompt_fix_mode = aply\n")
    after = small.run()
    assert after.code == 4
    assert "metaprompt_fix_mode: unknown mode 'aply' (did you mean 'apply'?" in after.text


@pytest.mark.parametrize(
    ("key", "must"), [("max_calls", "a whole number"), ("min_accuracy", "a number"), ("fix", "true or false")]
)
def test_a_wrong_ini_value_is_told_with_its_key(small: Project, key: str, must: str) -> None:
    small.write(pytest_dot_ini=f"[pytest]\nmetaprompt_{key} = some\n")
    after = small.run()
    assert after.code == 4
    assert re.search(rf"metaprompt_{key}:? must be {must}", after.text)


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="[tool.pytest] came with pytest 9")
@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("max_cost = 0.5", 1),
        ("timeout = 30", 1),
        ("max_calls = 0", 1),
        ("min_accuracy = 0.5", 0),
        ("no_cache = true", 1),
    ],
)
def test_tool_pytest_takes_the_values_as_toml_writes_them(small: Project, line: str, code: int) -> None:
    small.write(pyproject_dot_toml=f"[tool.pytest]\nmetaprompt_{line}\n")
    after = small.run()
    assert after.code == code
    assert after.report["suites"]


def test_a_path_in_the_ini_file_starts_at_the_ini_file(small: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    small.write(pytest_dot_ini="[pytest]\nmetaprompt_save_baseline = base.json\n")
    (small.path / "below").mkdir()
    monkeypatch.chdir(small.path / "below")
    small.run("../orders.metaprompt.yaml")
    assert (small.path / "base.json").exists()


def test_all_problems_of_a_suite_are_one_usage_error(small: Project) -> None:
    small.suite(
        "routine: routin.md\ntarget: opnai:small\ncases:\n"
        "  - {id: a, input: x, expct: y}\n  - {id: b, input: x, assert: [{type: contians, value: y}]}\n"
    )
    after = small.run()
    assert after.code == 4
    lines = [line for line in after.result.errlines if line.startswith("ERROR")]
    assert [re.match(r"ERROR: orders\.metaprompt\.yaml:(\d)", line)[1] for line in lines] == ["1", "2", "4", "5"]  # type: ignore[index]
    assert "did you mean 'contains'?" in after.text
    assert "did you mean 'expect'?" in after.text
    assert not small.server.requests


def test_a_session_without_suites_loads_nothing_and_prints_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys
        def test_light():
            heavy = {"openai", "deepdiff", "jinja2", "jsonschema", "httpx2", "xllamacpp", "sqlite3", "asyncio", "yaml"}
            assert not heavy & set(sys.modules)
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:anyio")
    result.assert_outcomes(passed=1)
    assert "metaprompt" not in "\n".join(result.outlines[4:])
    assert not [path.name for path in pytester.path.iterdir() if path.name.startswith(".")]


def test_a_cases_reply_cannot_colour_the_terminal(small: Project) -> None:
    small.target = lambda body: "\x1b[2Jboo"
    after = small.run("-k", "good")
    assert "\x1b[2J" not in after.text
    assert "\\x1b[2Jboo" in after.text


def test_the_rule_following_target_fails_without_the_rule(small: Project) -> None:
    small.target = obeys_the_rule
    small.run("-k", "good").result.assert_outcomes(failed=1)
