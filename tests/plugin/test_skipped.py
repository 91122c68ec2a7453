"""Cases that cannot be judged on this machine are skipped with the reason: neither passed nor failed."""

from __future__ import annotations

import pytest

from pytest_metaprompt.scorers import javascript_engines
from tests.conftest import Project, number_of

SUITE = """\
routine: {inline: "You read numbers."}
target: {model: openai:small, base_url: BASE}
cases:
  - {id: plain, input: "take 12", expect: "12"}
  - id: scripted
    input: take 15
    assert: [{type: javascript, value: "output === '15'"}]
"""


@pytest.fixture
def mixed(project: Project) -> Project:
    project.suite(SUITE)
    project.target = number_of
    return project


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(javascript_engines, "find_spec", lambda name: None)
    monkeypatch.setattr(javascript_engines.shutil, "which", lambda name: None)


def test_with_an_engine_the_case_is_judged(mixed: Project) -> None:
    mixed.run().result.assert_outcomes(passed=2)


@pytest.mark.usefixtures("no_engine")
def test_without_an_engine_the_case_is_skipped_with_the_reason_and_nothing_asked(mixed: Project) -> None:
    after = mixed.run("-rs")
    after.result.assert_outcomes(passed=1, skipped=1)
    assert after.code == 0
    assert 'javascript: it needs a JavaScript engine (pip install "pytest-metaprompt[js]")' in after.text
    assert len(mixed.server.requests) == 1


@pytest.mark.usefixtures("no_engine")
def test_the_report_says_skipped_and_counts_it_out(mixed: Project) -> None:
    (suite,) = mixed.run().report["suites"]
    assert [case["outcome"] for case in suite["cases"]] == ["passed", "skipped"]
    assert (suite["accuracy"]["passed"], suite["accuracy"]["total"]) == (1, 1)
    assert "JavaScript engine" in suite["cases"][1]["attempts"][0]["skipped"]
    assert suite["cases"][0]["attempts"][0]["skipped"] is None


@pytest.mark.usefixtures("no_engine")
def test_a_gate_counts_it_out_too(mixed: Project) -> None:
    mixed.suite(SUITE + "gate: {min_accuracy: 1, max_errors: 0}\n")
    after = mixed.run()
    after.result.assert_outcomes(passed=2, skipped=1)
    assert after.report["gates"][0]["passed"]


@pytest.mark.usefixtures("no_engine")
def test_it_does_not_use_up_the_failures_allowed(mixed: Project) -> None:
    mixed.suite(SUITE.replace("id: plain", "id: wrong").replace('expect: "12"', 'expect: "13"'))
    mixed.run("--maxfail=2").result.assert_outcomes(failed=1, skipped=1)


@pytest.mark.usefixtures("no_engine")
def test_a_repair_leaves_it_out(mixed: Project) -> None:
    mixed.suite(SUITE.replace('expect: "12"', 'expect: "13"'))
    after = mixed.run("--metaprompt-fix")
    after.result.assert_outcomes(failed=1, skipped=1)
    (repair,) = after.report["repairs"]
    assert repair["before"] == {"passed": 0, "total": 1}
