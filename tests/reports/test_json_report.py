"""The JSON report against its published schema."""

from __future__ import annotations

import json
from typing import Any, get_type_hints

import jsonschema
import pytest

from pytest_metaprompt.commands import main
from pytest_metaprompt.reports import parts
from pytest_metaprompt.reports.json_report import as_json, report_schema_text
from tests.reports.reports import sample_report

SCHEMA = json.loads(report_schema_text())
NAMES = {
    "suite": parts.SuitePart,
    "baseline": parts.BaselinePart,
    "case": parts.CasePart,
    "attempt": parts.AttemptPart,
    "call": parts.CallPart,
    "verdict": parts.VerdictPart,
    "share": parts.SharePart,
    "count": parts.CountPart,
    "gate": parts.GatePart,
    "repair": parts.RepairPart,
    "usage": parts.UsagePart,
}


def test_the_schema_is_a_schema_and_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert main(["schema", "--report"]) == 0
    assert json.loads(capsys.readouterr().out) == SCHEMA
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_a_report_with_something_of_everything_is_valid() -> None:
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(as_json(sample_report())))


@pytest.mark.parametrize("name", NAMES)
def test_every_field_that_a_report_has_is_in_the_schema(name: str) -> None:
    found = SCHEMA["$defs"][name]["properties"]
    assert set(get_type_hints(NAMES[name])) - set(found) == set()
    assert set(SCHEMA["$defs"][name]["required"]) <= set(get_type_hints(NAMES[name]))


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("version",), 2),
        (("suites", 0, "cases", 0, "outcome"), "flaky"),
        (("suites", 0, "cases", 0, "stability"), "shaky"),
        (("suites", 0, "accuracy", "low"), -0.1),
        (("repairs", 0, "status"), "done"),
    ],
)
def test_what_is_no_report_is_refused(where: tuple[Any, ...], value: object) -> None:
    report: Any = sample_report()
    place = report
    for step in where[:-1]:
        place = place[step]
    place[where[-1]] = value
    assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(report)


def test_cases_are_passing_failing_or_flaky_with_their_rate() -> None:
    cases = {case["id"]: case for case in sample_report()["suites"][0]["cases"]}
    assert cases["case-0"]["stability"] == "passing"
    assert cases["case-1"]["stability"] == "flaky"
    assert (cases["case-1"]["rate"]["passed"], cases["case-1"]["rate"]["total"]) == (1, 2)
    assert 0 < cases["case-1"]["rate"]["low"] < 0.5 < cases["case-1"]["rate"]["high"] < 1
    assert cases["case-3"]["rate"]["total"] == 1  # The other attempt was not answered.
