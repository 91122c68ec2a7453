"""Reports that a run of pytest leaves behind."""

from __future__ import annotations

from pathlib import Path

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
