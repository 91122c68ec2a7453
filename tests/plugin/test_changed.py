"""Only the suites that something changed for."""

from __future__ import annotations

import subprocess

import pytest

from tests.conftest import Project, number_of

SUITE = """\
routine: ROUTINE
target: {model: openai:small, base_url: BASE}
cases:
  - {id: written, input: "take 12", expect: "12"}
  - {dataset: CASES, id: "{{id}}", input: "{{text}}", expect: "{{right}}"}
"""


def git(project: Project, *arguments: str) -> None:
    identity = ["-c", "user.name=A", "-c", "user.email=a@b.example", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", "-C", str(project.path), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def two(project: Project) -> Project:
    """Two suites in a git repository, on a branch that left main."""
    for name in ("first", "second"):
        project.write_bytes(f"routines/{name}.md", b"You read numbers.\n")
        project.write_bytes(f"cases/{name}.csv", b"id,text,right\nrow,take 13,13\n")
        text = SUITE.replace("ROUTINE", f"routines/{name}.md").replace("CASES", f"cases/{name}.csv")
        project.suite(text, name=name)
    project.write_bytes("test_other.py", b"def test_other():\n    pass\n")
    project.target = number_of
    git(project, "init")
    git(project, "add", ".")
    git(project, "commit", "-m", "all")
    git(project, "checkout", "-b", "work")
    return project


def ran(project: Project, *args: str) -> list[str]:
    after = project.run("-v", *args)
    return [line.split(" ")[0] for line in after.result.outlines if " PASSED" in line]


SECOND = ["second.metaprompt.yaml::written", "second.metaprompt.yaml::row", "test_other.py::test_other"]


@pytest.mark.parametrize("changed", ["routines/second.md", "cases/second.csv", "second.metaprompt.yaml"])
def test_a_suite_runs_if_its_routine_its_cases_or_its_own_file_changed(two: Project, changed: str) -> None:
    with (two.path / changed).open("a") as file:
        file.write("# more\n" if changed.endswith("yaml") else "row2,take 14,14\n" if "csv" in changed else "More.\n")
    assert [name for name in ran(two, "--metaprompt-changed") if "row2" not in name] == SECOND


def test_what_was_committed_since_the_base_counts(two: Project) -> None:
    two.write_bytes("routines/second.md", b"You read numbers well.\n")
    git(two, "commit", "-am", "better")
    assert ran(two, "--metaprompt-changed=main") == SECOND
    assert ran(two, "--metaprompt-changed") == ["test_other.py::test_other"]


def test_what_main_changed_meanwhile_does_not_count(two: Project) -> None:
    git(two, "checkout", "main")
    two.write_bytes("routines/first.md", b"You read numbers differently.\n")
    git(two, "commit", "-am", "elsewhere")
    git(two, "checkout", "work")
    assert ran(two, "--metaprompt-changed=main") == ["test_other.py::test_other"]


def test_without_changes_the_exit_code_is_0_and_nothing_is_asked(two: Project) -> None:
    after = two.run("first.metaprompt.yaml", "second.metaprompt.yaml", "--metaprompt-changed")
    assert after.code == 0
    assert "0 of 2 suites have changes against HEAD" in after.text
    assert two.asked("small") == []


def test_an_unknown_revision_is_a_usage_error(two: Project) -> None:
    after = two.run("--metaprompt-changed=nowhere")
    assert after.code == 4
    assert "write --metaprompt-changed=BASE with a branch, tag or commit" in after.text


def test_a_path_taken_for_the_base_says_so(two: Project) -> None:
    after = two.run("--metaprompt-changed", "first.metaprompt.yaml")
    assert after.code == 4
    assert "a path after the bare option is taken for BASE" in after.text
