"""Only the suites that something changed for."""

from __future__ import annotations

import subprocess
from pathlib import Path

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


PROMPTFOO = """\
prompts: ["file://prompts/*.txt"]
providers: [echo]
tests: ["file://tests/*.yaml"]
"""


@pytest.fixture
def globs(two: Project) -> Project:
    """A promptfoo config that finds its prompts and tests by patterns; a test names another file."""
    two.write_bytes("pf/promptfooconfig.yaml", PROMPTFOO.encode())
    for name in ("a", "b"):
        two.write_bytes(f"pf/prompts/{name}.txt", b"Say {{word}}.\n")
        two.write_bytes(
            f"pf/tests/{name}.yaml", b"- vars: {word: file://word.txt}\n  assert: [{type: contains, value: w}]\n"
        )
    two.write_bytes("pf/word.txt", b"word")
    two.write_bytes("pf/other.txt", b"other")
    git(two, "add", ".")
    git(two, "commit", "-m", "promptfoo")
    return two


def affected(project: Project, *args: str) -> set[str]:
    after = project.run("-q", *(args or ("--metaprompt-changed",)), "--metaprompt-collect=promptfoo")
    return {suite["path"].partition("::")[0] for suite in after.report["suites"]}


@pytest.mark.parametrize("gone", ["pf/prompts/b.txt", "pf/tests/b.yaml"])
def test_a_file_that_a_pattern_found_counts_when_it_is_deleted(globs: Project, gone: str) -> None:
    (globs.path / gone).unlink()
    assert affected(globs) == {"pf/promptfooconfig.yaml"}


def test_a_file_that_is_named_by_a_file_counts_and_one_beside_it_does_not(globs: Project) -> None:
    globs.write_bytes("pf/other.txt", b"changed")
    assert affected(globs) == set()
    globs.write_bytes("pf/word.txt", b"changed")
    assert affected(globs) == {"pf/promptfooconfig.yaml"}


@pytest.mark.parametrize(
    "line", ["judge: 'python:app:judge'", "embedding: 'python:app:embed'", "objective: file://check.py"]
)
def test_a_suite_that_runs_code_depends_on_all_code(two: Project, line: str) -> None:
    two.write_bytes("check.py", b"def get_assert(output, context):\n    return True\n")
    two.write_bytes("app.py", b"judge = embed = str\n")
    (two.path / "second.metaprompt.yaml").open("a").write(f"{line}\n")
    git(two, "add", ".")
    git(two, "commit", "-m", "code")
    two.write_bytes("helper.py", b"LIMIT = 3\n")
    assert affected(two) == {"second.metaprompt.yaml"}


def test_the_ini_file_and_a_cassette_count(two: Project) -> None:
    two.write_bytes("cassettes/second.jsonl", b"")
    assert affected(two) == {"second.metaprompt.yaml"}
    two.write_bytes("pytest.ini", b"[pytest]\n")
    assert affected(two) == {"first.metaprompt.yaml", "second.metaprompt.yaml"}


def test_in_a_hook_git_is_asked_about_the_folder_of_the_tests(two: Project, tmp_path: Path) -> None:
    two.write_bytes("routines/second.md", b"You read numbers well.\n")
    env = {"GIT_DIR": str(two.path / ".git"), "GIT_INDEX_FILE": str(two.path / ".git" / "index"), "GIT_PREFIX": ""}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(two.path / "routines")
        after = two.run("-q", "--metaprompt-changed", f"--rootdir={two.path}", str(two.path), env=env)
    assert "1 of 2 suites have changes against HEAD" in after.text


@pytest.mark.parametrize("base", ["nowhere", "", "--help"])
def test_an_unknown_revision_is_a_usage_error(two: Project, base: str) -> None:
    after = two.run(f"--metaprompt-changed={base}")
    assert after.code == 4
    assert f"git knows no commit {base!r} (write --metaprompt-changed=BASE with a branch, tag or commit" in after.text


def test_outside_of_git_it_is_a_usage_error(project: Project) -> None:
    project.suite(
        SUITE.replace("ROUTINE", "{inline: x}").replace(
            '  - {dataset: CASES, id: "{{id}}", input: "{{text}}", expect: "{{right}}"}\n', ""
        )
    )
    after = project.run("--metaprompt-changed", env={"GIT_CEILING_DIRECTORIES": str(project.path.parent)})
    assert after.code == 4
    assert "is in no git repository" in after.text


def test_a_shallow_clone_says_what_to_fetch(two: Project) -> None:
    two.write_bytes("routines/second.md", b"You read numbers well.\n")
    git(two, "commit", "-am", "better")
    git(two, "clone", "--depth=1", f"file://{two.path}", "shallow")
    clone = str(two.path / "shallow")
    after = two.run("--metaprompt-changed=origin/main", f"--rootdir={clone}", clone)
    assert after.code == 4
    assert "git knows no commit 'origin/main', and this clone is shallow: fetch the whole history first" in after.text
    git(two, "-C", "shallow", "fetch", "--depth=1", "origin", "main:refs/remotes/origin/main")
    after = two.run("--metaprompt-changed=origin/main", f"--rootdir={clone}", clone)
    assert "have no commit in common, and this clone is shallow" in after.text


def test_a_path_taken_for_the_base_says_so(two: Project) -> None:
    after = two.run("--metaprompt-changed", "first.metaprompt.yaml")
    assert after.code == 4
    assert "a path after the bare option is taken for BASE" in after.text
