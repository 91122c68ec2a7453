"""Reports that a run of pytest leaves behind."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import RULE, Project, append, envelope, obeys_the_rule

SUITE = """\
routine: routine.md
target: {model: openai:small, base_url: BASE}
cases:
  - {id: good, input: "take 12", expect: "12"}
  - {id: bad, input: "take 13", expect: "14"}
"""


def ready(project: Project) -> Project:
    return project.reads_numbers(SUITE)


def test_html_and_markdown_are_written_by_their_ending(project: Project) -> None:
    after = ready(project).run("--metaprompt-report=out/run.html", "--metaprompt-report=out/run.md")
    after.result.stdout.fnmatch_lines(["report written to out/run.html", "report written to out/run.md"])
    assert after.files["out/run.html"].startswith(b"<!doctype html>")
    assert b"1 case failed, 1 case passed" in after.files["out/run.html"]
    assert b"`orders.metaprompt.yaml` | `openai:small` | 1/2 |" in after.files["out/run.md"]


def test_another_ending_is_refused_before_anything_is_asked(project: Project) -> None:
    after = ready(project).run("--metaprompt-report=run.xml")
    assert after.code == 4
    assert "'run.xml' must end in .json or .html or .md" in after.text
    assert project.asked("small") == []


def test_in_github_actions_the_step_summary_is_added_to(project: Project, tmp_path: Path) -> None:
    summary = tmp_path / "summary.txt"
    summary.write_text("what another step wrote\n", encoding="utf-8")
    env = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    ready(project).run(env=env)
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("what another step wrote\n## Prompt tests\n")
    assert "1/2" in text


def test_a_folder_in_the_way_is_said_and_leaves_nothing_half_written(project: Project) -> None:
    ready(project).write_bytes("out/run.html/keep.txt", b"mine")
    after = project.run("--metaprompt-report=out/run.html", "--metaprompt-report=good.md")
    assert "the report was not written" in after.text
    assert after.code == 1
    assert {name for name in after.files if name.startswith(("out", "good"))} == {"good.md", "out/run.html/keep.txt"}


def test_a_repaired_run_is_told_as_it_stands_in_the_end(project: Project) -> None:
    ready(project).suite(
        SUITE.replace("cases:", "meta: {model: openai:big, base_url: BASE}\ncases:").replace("14", "13")
    )
    project.target, project.meta = obeys_the_rule, lambda body: envelope(append(RULE))
    after = project.run("--metaprompt-fix", "--metaprompt-report=run.md", "--metaprompt-report=run.html")
    assert after.code == 0
    assert b"\n2 cases repaired.\n\nAs the tests found it, before the repair:\n" in after.files["run.md"]
    assert b"<title>2 cases repaired" in after.files["run.html"]
    assert [(case["outcome"], case["now"]) for case in after.report["suites"][0]["cases"]] == [("failed", "passed")] * 2


def test_suites_that_were_not_run_are_not_in_the_reports(project: Project) -> None:
    ready(project).suite(SUITE, name="more")
    after = project.run("-k", "orders", "--metaprompt-report=run.md")
    assert [suite["path"] for suite in after.report["suites"]] == ["orders.metaprompt.yaml"]
    assert b"more.metaprompt.yaml" not in after.files["run.md"]


HOSTILE = """\
def answer(messages):
    if messages[-1]["content"] == "half":
        return "half an emoji \\ud83d"
    arguments = {"half": {}, "nan": '{"x": NaN}', "large": '{"x": 1e999}'}[messages[-1]["content"]]
    return {"text": "", "tool_calls": [{"function": {"name": "f", "arguments": arguments}}]}
"""
HOSTILE_SUITE = """\
routine: {inline: "Call f."}
target: "python:hostile:answer"
cases:
  - {id: half, input: half, expect: x}
  - {id: nan, input: nan, assert: [{type: tool-call, value: {name: f, arguments: {x: 1}}}]}
  - {id: large, input: large, assert: [{type: tool-call, value: {name: f, arguments: {x: 1}}}]}
"""


def test_half_an_emoji_and_numbers_that_json_does_not_have_spoil_no_report(project: Project, tmp_path: Path) -> None:
    project.write(hostile_dot_py=HOSTILE)
    project.suite(HOSTILE_SUITE)
    summary = tmp_path / "summary.md"
    env = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    reports = [f"--metaprompt-report=run.{ending}" for ending in ("json", "html", "md")]
    after = project.run(*reports, env=env)
    assert after.code == 1

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    report = json.loads(after.files["run.json"], parse_constant=refuse)
    half, nan, large = (case["attempts"][0] for case in report["suites"][0]["cases"])
    assert half["text"] == "half an emoji \ud83d"
    assert nan["tool_calls"][0]["arguments"] == '{"x": NaN}'
    assert large["tool_calls"][0]["arguments"] == {"x": "inf"}
    embedded = after.files["run.html"].decode().partition('id="report">')[2].partition("</script>")[0]
    assert json.loads(embedded, parse_constant=refuse)["suites"][0]["cases"][0]["id"] == "half"
    assert "half an emoji" in after.files["run.md"].decode()
    assert "half an emoji" in summary.read_text(encoding="utf-8")


def test_a_file_may_be_named_from_the_home_folder_and_is_written_once(project: Project, tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path), "PLACE": str(tmp_path)}
    after = ready(project).run("--metaprompt-report=~/run.md", "--metaprompt-report=$PLACE/run.md", env=env)
    assert (tmp_path / "run.md").exists()
    assert after.text.count("report written to ") == 2  # The other is the JSON report of every run here.
    assert not any("~" in name or "$" in name for name in after.files)
