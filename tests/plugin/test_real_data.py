"""The airline conversations, as their files are: `|` between cells, JSON with tool calls in them, 36 tools."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_metaprompt.testing import completion, tool_call
from tests.conftest import Body, Project

FLIGHTS = Path(__file__).parents[3] / "shared" / "data" / "flight_cancellation"

pytestmark = pytest.mark.skipif(not FLIGHTS.is_dir(), reason="the real data is not beside the project")

SUITE = """\
routine: flightCancellationsPolicy.md
target: {model: openai:small, base_url: BASE, tools: tools.json}
objective: Make the next tool call that the policy asks for.
cases:
  - dataset: functionCallingEval.csv
    csv: {delimiter: "|", quotechar: '"', escapechar: '\\'}
    messages: "{{conversation}}"
    assert:
      - {type: tool-call, value: {name: "{{expected_function}}"}}
      - {type: tool-call, value: {name: "{{expected_function}}", arguments: "{{expected_inputs}}"}}
"""


def rows() -> list[dict[str, str]]:
    with (FLIGHTS / "functionCallingEval.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="|", escapechar="\\"))


def as_asked(body: Body) -> list[object]:
    """What tells a conversation apart: its texts, after the policy."""
    return [message.get("content") or "" for message in body["messages"][1:]]


def as_floats(value: object) -> object:
    """The same value with every whole number as JSON writes a float: `198` as `198.0`."""
    if isinstance(value, dict):
        return {key: as_floats(child) for key, child in value.items()}
    if isinstance(value, list):
        return [as_floats(child) for child in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


@pytest.mark.parametrize("number", [lambda value: value, as_floats], ids=["as they are", "as floats"])
def test_a_published_run_over_the_airline_conversations_reads_12_of_17(
    project: Project, number: Callable[[object], object]
) -> None:
    for name in ("flightCancellationsPolicy.md", "functionCallingEval.csv", "tools.json"):
        shutil.copyfile(FLIGHTS / name, project.path / name)
    project.suite(SUITE)
    found = [(row, [m.get("content") or "" for m in json.loads(row["conversation"])]) for row in rows()]

    def target(body: Body) -> Body:
        at = next(number for number, (_, texts) in enumerate(found) if texts == as_asked(body))
        row = found[at][0]
        arguments = json.loads(row["expected_inputs"])
        name = "escalate" if at in (2, 7, 9, 13, 16) else row["expected_function"]
        return completion(tool_calls=[tool_call(name, **number(arguments))])

    project.target = target
    after = project.run()
    accuracy = after.report["suites"][0]["accuracy"]
    assert (accuracy["passed"], accuracy["total"]) == (12, 17)
    assert after.report["suites"][0]["metrics"] == {"tool-call name": 12, "tool-call arguments": 12}
    assert len(project.asked("small")[0]["tools"]) == 36
    failed = [number for number, case in enumerate(after.report["suites"][0]["cases"]) if case["outcome"] == "failed"]
    assert failed == [2, 7, 9, 13, 16]
    assert "expected a call of 'process_full_refund', got a call of 'escalate'" in after.text
