"""Reports that a run of pytest leaves behind."""

from __future__ import annotations

from pathlib import Path

from pytest_metaprompt.testing import completion
from tests.conftest import Project

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


def test_half_a_surrogate_pair_in_a_reply_is_an_escape_in_the_reports(project: Project, tmp_path: Path) -> None:
    summary = tmp_path / "summary.txt"
    env = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    project = ready(project)
    project.target = lambda body: completion("12 \ud83d")
    after = project.run("--metaprompt-report=run.html", "--metaprompt-report=run.md", env=env)
    assert after.code == 1
    attempts = [case["attempts"][0]["text"] for case in after.report["suites"][0]["cases"]]
    assert attempts == ["12 \ud83d", "12 \ud83d"]
    assert b"12 \\ud83d" in after.files["run.html"]
    assert summary.read_text(encoding="utf-8").startswith("## Prompt tests")
