"""JUnit XML: what a CI system shows of cases, gates and repairs."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_metaprompt.plugin.junit import Truth, corrected
from tests.conftest import RULE, Project, append, envelope, obeys_the_rule

SUITE = """\
routine: routine.md
target: {model: openai:small, base_url: BASE}
meta: {model: openai:big, base_url: BASE}
cases:
  - {id: one, input: "take 12", expect: "12"}
  - {id: two, input: "take 13", expect: "13"}
"""


@pytest.fixture
def red(project: Project) -> Project:
    project.write(routine_dot_md="You read numbers.\n")
    project.suite(SUITE)
    project.target = obeys_the_rule
    project.meta = lambda body: envelope(append(RULE))
    return project


def read(project: Project) -> tuple[ET.Element, dict[str, ET.Element]]:
    root = ET.parse(project.path / "junit.xml").getroot()
    suite = root.find("testsuite")
    assert suite is not None
    return suite, {str(case.get("name")): case for case in suite.iter("testcase")}


def properties(case: ET.Element) -> dict[str, str]:
    found = [(str(one.get("name")), str(one.get("value"))) for one in case.iter("property")]
    assert len(dict(found)) == len(found)
    return {key.removeprefix("metaprompt."): value for key, value in found}


def counts(suite: ET.Element) -> tuple[str | None, ...]:
    return tuple(suite.get(name) for name in ("tests", "failures", "errors", "skipped"))


def test_a_case_has_its_suite_target_score_attempts_and_usage(red: Project) -> None:
    red.run("--junitxml=junit.xml", "--metaprompt-repeat=2")
    _, cases = read(red)
    found = properties(cases["one"])
    assert int(found.pop("input_tokens")) > 0
    assert int(found.pop("output_tokens")) > 0
    found.pop("cost_usd", None)
    assert found == {
        "nodeid": "orders.metaprompt.yaml::one",
        "suite": "orders.metaprompt.yaml",
        "target": "openai:small",
        "outcome": "failed",
        "score": "0.000",
        "attempts_passed": "0/2",
        "stability": "failing",
        "cached": "0",
    }


def test_repaired_cases_are_no_failures(red: Project) -> None:
    after = red.run("--metaprompt-fix", "--junitxml=junit.xml")
    assert after.code == 0
    suite, cases = read(red)
    assert counts(suite) == ("2", "0", "0", "0")
    assert [list(case.iter("failure")) for case in cases.values()] == [[], []]
    found = properties(cases["two"])
    assert (found["outcome"], found["attempts_passed"], found["repaired"]) == ("passed", "1/1", "true")


def test_a_repair_that_is_only_shown_changes_nothing(red: Project) -> None:
    red.run("--metaprompt-fix-mode=diff", "--junitxml=junit.xml")
    suite, cases = read(red)
    assert counts(suite) == ("2", "2", "0", "0")
    assert "repaired" not in properties(cases["one"])


def test_a_gate_has_its_reasons_and_is_what_it_is_after_a_repair(red: Project) -> None:
    red.suite(SUITE.replace("cases:", "gate: {min_accuracy: 0.9, max_errors: 0}\ncases:"))
    red.run("--junitxml=junit.xml")
    suite, cases = read(red)
    assert counts(suite) == ("3", "1", "0", "2")
    reasons = [one.get("value") for one in cases["gate"].iter("property") if one.get("name") == "metaprompt.gate"]
    assert reasons == ["accuracy 0/2 = 0.00 (0.00-0.66), less than 0.9", "errors 0, at most 0"]
    red.run("--metaprompt-fix", "--junitxml=junit.xml")
    suite, cases = read(red)
    assert counts(suite) == ("3", "0", "0", "0")
    reasons = [one.get("value") for one in cases["gate"].iter("property") if one.get("name") == "metaprompt.gate"]
    assert reasons == ["accuracy 2/2 = 1.00 (0.34-1.00), at least 0.9", "errors 0, at most 0"]


def test_other_tests_of_the_file_stay_as_they_are(red: Project) -> None:
    red.write(test_plain_dot_py="def test_plain():\n    assert 0\n")
    red.run("--metaprompt-fix", "--junitxml=out/junit.xml", "-o", "junit_family=xunit1")
    text = (red.path / "out" / "junit.xml").read_text(encoding="utf-8")
    suite = ET.fromstring(text).find("testsuite")
    assert suite is not None
    assert counts(suite) == ("3", "1", "0", "0")
    assert [case.get("name") for case in suite.iter("testcase") if case.find("failure") is not None] == ["test_plain"]


def test_a_python_test_has_the_properties_of_a_case(red: Project) -> None:
    (red.path / "orders.metaprompt.yaml").unlink()
    red.write(
        test_numbers_dot_py=(
            "import pytest\n"
            f"target = {{'model': 'openai:small', 'base_url': '{red.server.base_url}'}}\n"
            "@pytest.mark.metaprompt('routine.md', target=target)\n"
            "def test_reads(routine):\n"
            "    assert routine.run(input='take 12').text == '12'\n"
        )
    )
    red.run("--junitxml=junit.xml", env={"OPENAI_API_KEY": "k"})
    _, cases = read(red)
    found = properties(cases["test_reads"])
    assert (found["suite"], found["outcome"]) == ("test_numbers.py", "failed")


@given(st.text())
def test_any_reason_can_be_told_in_xml(reason: str) -> None:
    text = (
        "<testsuites><testsuite failures='0'><testcase name='gate'><properties>"
        "<property name='metaprompt.nodeid' value='a::gate'/></properties></testcase></testsuite></testsuites>"
    )
    truth = Truth([("metaprompt.nodeid", "a::gate"), ("metaprompt.gate", reason)], reached=False)
    root = ET.fromstring(corrected(text, {"a::gate": truth}, repaired=frozenset()))
    assert root[0].get("failures") == "1"
    assert root[0][0].find("failure") is not None


def test_the_xml_is_written_where_pytest_writes_it(red: Project, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "junit.xml"
    red.run("--metaprompt-fix", f"--junitxml={path}")
    assert "metaprompt.repaired" in path.read_text(encoding="utf-8")
