"""Traces of real runs: on when the project sets up OpenTelemetry or asks for it, and nothing loaded otherwise."""

from __future__ import annotations

import json

import pytest

from pytest_metaprompt.testing import Fault
from tests.conftest import RULE, Body, Project, append, envelope, number_of, obeys_the_rule

SUITE = """\
routine: routine.md
target: {model: openai:small, base_url: BASE, temperature: 0}
meta: {model: openai:big, base_url: BASE}
cases:
  - {id: good, input: "take 12", expect: "12"}
  - {id: bad, input: "take 13", expect: "14"}
"""

SETS_UP = """\
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

EXPORTER = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(EXPORTER))
trace.set_tracer_provider(provider)

def pytest_unconfigure():
    with open("spans.json", "w") as file:
        file.write("[" + ",".join(span.to_json() for span in EXPORTER.get_finished_spans()) + "]")
"""

LISTS_MODULES = """\
import sys

def pytest_unconfigure():
    print("loaded:", sorted(name for name in sys.modules if name.startswith("opentelemetry")))
"""


@pytest.fixture
def traced(project: Project) -> Project:
    project.write(routine_dot_md="You read numbers.\n", conftest_dot_py=SETS_UP)
    project.suite(SUITE)
    project.target = number_of
    return project


def spans_of(project: Project, *args: str, **env: str) -> list[Body]:
    project.run("-p", "no:cacheprovider", *args, env=env, own_process=True)
    return json.loads((project.path / "spans.json").read_text())


def named(spans: list[Body], name: str) -> list[Body]:
    return [span for span in spans if span["name"] == name]


def test_each_case_is_a_span_with_its_call_inside(traced: Project) -> None:
    spans = spans_of(traced)
    [good], [bad] = named(spans, "case good"), named(spans, "case bad")
    assert good["parent_id"] is None
    assert good["attributes"] == {
        "test.suite.name": "orders.metaprompt.yaml",
        "test.case.name": "good",
        "metaprompt.suite": str(traced.path / "orders.metaprompt.yaml"),
        "metaprompt.attempt": 1,
        "metaprompt.outcome": "passed",
        "test.case.result.status": "pass",
    }
    assert (bad["attributes"]["metaprompt.outcome"], bad["attributes"]["test.case.result.status"]) == ("failed", "fail")
    [event] = bad["events"]
    assert event["name"] == "gen_ai.evaluation.result"
    assert event["attributes"] == {
        "gen_ai.evaluation.name": "equals",
        "gen_ai.evaluation.score.value": 0.0,
        "gen_ai.evaluation.score.label": "fail",
    }
    calls = named(spans, "chat small")
    assert {call["parent_id"] for call in calls} == {case["context"]["span_id"] for case in (good, bad)}
    assert calls[0]["attributes"]["server.address"] == "127.0.0.1"
    assert "take 12" not in json.dumps(spans)


def test_the_standard_variable_puts_the_messages_into_the_spans(traced: Project) -> None:
    spans = spans_of(traced, OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT="true")
    asked = [span["attributes"]["gen_ai.input.messages"] for span in named(spans, "chat small")]
    assert ["take 12" in messages for messages in sorted(asked)] == [True, False]
    assert named(spans, "case bad")[0]["events"][0]["attributes"]["gen_ai.evaluation.explanation"]


def test_a_failed_call_is_an_error_in_its_span_and_its_case(traced: Project) -> None:
    traced.target = lambda body: Fault.status(400) if "13" in str(body) else "12"
    spans = spans_of(traced)
    failed = [span for span in spans if span["status"]["status_code"] == "ERROR"]
    assert sorted(span["name"] for span in failed) == ["case bad", "chat small"]
    assert named(spans, "case bad")[0]["attributes"]["metaprompt.outcome"] == "error"


def test_what_a_repair_asks_is_inside_of_its_span(traced: Project) -> None:
    traced.suite(SUITE.replace('expect: "14"', 'expect: "13"'))
    traced.target = obeys_the_rule
    traced.meta = lambda body: envelope(append(RULE))
    spans = spans_of(traced, "--metaprompt-fix")
    [repair] = [span for span in spans if span["name"].startswith("repair ")]
    assert repair["attributes"]["metaprompt.status"] == "proposed"  # Proved; what is done with it comes after.
    assert repair["attributes"]["metaprompt.fixed"] == 2
    trace = repair["context"]["trace_id"]
    assert {call["context"]["trace_id"] for call in named(spans, "chat big")} == {trace}
    inside = {span["name"] for span in spans if span["parent_id"] == repair["context"]["span_id"]}
    assert {"case good", "case bad", "chat big"} <= inside


def test_the_option_sends_spans_where_the_standard_variable_says(project: Project) -> None:
    after = project.reads_numbers(SUITE).run(
        "--metaprompt-trace", env={"OTEL_TRACES_EXPORTER": "console"}, own_process=True
    )
    assert '"name": "case good"' in after.text
    assert '"name": "chat small"' in after.text


def test_an_exporter_that_is_missing_is_a_usage_error_that_says_what_to_type(project: Project) -> None:
    after = project.run("--metaprompt-trace", own_process=True, env={"OTEL_TRACES_EXPORTER": "otlp"})
    assert after.code == 4
    assert "no exporter 'otlp' is installed (pip install opentelemetry-exporter-otlp" in after.text


def test_without_either_nothing_of_opentelemetry_is_loaded(project: Project) -> None:
    project.write(routine_dot_md="You read numbers.\n", conftest_dot_py=LISTS_MODULES)
    project.suite(SUITE)
    project.target = number_of
    after = project.run("-p", "no:cacheprovider", own_process=True)
    assert "loaded: []" in after.text
