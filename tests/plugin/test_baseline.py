"""Runs against a committed baseline."""

from __future__ import annotations

import json

import pytest

from pytest_metaprompt.testing import Fault
from tests.conftest import Body, Project, number_of, user_of

SUITE = """\
routine: routine.md
target: {model: openai:small, base_url: BASE, temperature: 0}
gate: {max_regressions: 0, tags: {hard: {min_accuracy: 0.5}}}
cases:
  - {id: steady, input: "take 12", expect: "12"}
  - {id: shaky, input: "take 13", expect: "13", tags: [hard]}
  - {id: never, input: "take 14", expect: "15"}
"""


class Target:
    """Answers with the number, except where it is told to fail, and for how long."""

    def __init__(self, **failures: int) -> None:
        self.failures = {key.removeprefix("n"): count for key, count in failures.items()}

    def __call__(self, body: Body) -> str:
        number = number_of(body)
        if self.failures.get(number, 0) > 0:
            self.failures[number] -= 1
            return "I cannot say"
        return number


@pytest.fixture
def saved(project: Project) -> Project:
    project.write(routine_dot_md="You read numbers.\n")
    project.suite(SUITE)
    project.target = Target()
    after = project.run("--metaprompt-save-baseline=base.json", "--metaprompt-no-cache")
    assert "baseline written to" in after.text
    return project


def test_a_baseline_asks_each_passing_case_three_times(saved: Project) -> None:
    cases = json.loads((saved.path / "base.json").read_text())["suites"]["orders.metaprompt.yaml"]["cases"]
    assert {name: entry[:2] for name, entry in cases.items()} == {"never": [0, 1], "shaky": [3, 3], "steady": [3, 3]}


def test_a_broken_case_is_a_regression_and_fails_the_gate(saved: Project) -> None:
    saved.target = Target(n12=99)
    after = saved.run("--metaprompt-baseline=base.json", "--metaprompt-no-cache")
    assert after.code == 1
    assert "regressions 1 (steady), more than 0" in after.text
    assert "worse than in the baseline: steady (0 of 5 attempts pass now)" in after.text
    assert after.report["suites"][0]["baseline"]["regressions"] == ["steady"]
    assert after.report["gates"][0]["passed"] is False
    after.result.stdout.fnmatch_lines(["*gate*change", "orders.metaprompt.yaml*1 worse, 0 better"])


def test_a_case_that_failed_by_chance_is_asked_again_and_is_no_regression(saved: Project) -> None:
    saved.target = Target(n13=2)
    before = len(saved.asked("small"))
    after = saved.run("--metaprompt-baseline=base.json", "--metaprompt-no-cache")
    assert len(saved.asked("small")) - before == 3 + 2
    assert "failed, but no more often than chance explains: shaky (1 of 3 attempts pass now)" in after.text
    assert after.report["suites"][0]["baseline"]["regressions"] == []
    assert "tag 'hard': accuracy 0/1" in "".join(after.report["gates"][0]["reasons"])


def test_what_gets_better_is_told(saved: Project) -> None:
    saved.target = lambda body: "15" if "14" in user_of(body) else number_of(body)
    after = saved.run("--metaprompt-baseline=base.json", "--metaprompt-no-cache")
    assert after.code == 0
    assert "better than in the baseline: never" in after.text


def test_a_gate_on_regressions_without_a_baseline_is_not_reached(saved: Project) -> None:
    after = saved.run()
    assert after.code == 1
    assert "max_regressions has nothing to compare with: pass --metaprompt-baseline=FILE" in after.text


def test_a_missing_baseline_is_a_usage_error_that_says_what_to_type(saved: Project) -> None:
    asked = len(saved.asked("small"))
    after = saved.run("--metaprompt-baseline=nowhere.json")
    assert after.code == 4
    assert "write it with --metaprompt-save-baseline=" in after.text
    assert len(saved.asked("small")) == asked


def test_saving_a_part_keeps_the_rest(saved: Project) -> None:
    saved.target = Target(n12=99)
    saved.run("-k", "steady", "--metaprompt-save-baseline=base.json", "--metaprompt-no-cache")
    cases = json.loads((saved.path / "base.json").read_text())["suites"]["orders.metaprompt.yaml"]["cases"]
    assert {name: entry[:2] for name, entry in cases.items()} == {"never": [0, 1], "shaky": [3, 3], "steady": [0, 1]}


def test_a_provider_that_is_down_does_not_reach_a_gate_on_regressions(saved: Project) -> None:
    saved.target = lambda body: Fault.status(400, "no such model")
    after = saved.run("--metaprompt-baseline=base.json", "--metaprompt-no-cache")
    assert after.code == 1
    assert "regressions 0 and errors 3, more than 0" in after.text
    assert "without an answer to judge, so not compared: steady, shaky, never" in after.text
    after.result.stdout.fnmatch_lines(["orders.metaprompt.yaml*0 worse, 0 better, 3 not judged"])


def test_the_run_that_writes_a_baseline_is_judged_on_the_rest_of_the_gate(saved: Project) -> None:
    assert saved.run("--metaprompt-save-baseline=new.json").code == 0
    saved.target = Target(n13=99)
    after = saved.run("--metaprompt-save-baseline=new.json", "--metaprompt-no-cache")
    assert (after.code, "tag 'hard': accuracy 0/1" in after.text) == (1, True)


def test_a_suite_whose_file_is_gone_is_named_and_leaves_the_baseline(saved: Project) -> None:
    (saved.path / "orders.metaprompt.yaml").rename(saved.path / "renamed.metaprompt.yaml")
    after = saved.run("--metaprompt-baseline=base.json", "--metaprompt-save-baseline=base.json")
    assert "orders.metaprompt.yaml: only in the baseline: the suite's file is gone" in after.text
    assert list(json.loads((saved.path / "base.json").read_text())["suites"]) == ["renamed.metaprompt.yaml"]


def test_a_baseline_that_cannot_be_written_is_said_by_its_name(saved: Project) -> None:
    saved.write_bytes("taken", b"a file")
    after = saved.run(f"--metaprompt-save-baseline={saved.path}/taken/base.json")
    assert f"the baseline was not written: {saved.path}/taken/base.json: " in after.text
