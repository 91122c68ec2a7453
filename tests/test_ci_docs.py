"""The recipes for CI: every file parses, and pytest accepts every command in them."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

PAGE = Path(__file__).parent.parent / "docs" / "ci.md"
BLOCK = re.compile(r"<!-- file: (?P<file>\S+) -->\n```yaml\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
FILES = {match["file"]: match["text"] for match in BLOCK.finditer(PAGE.read_text(encoding="utf-8"))}


def commands(node: Any) -> Iterator[str]:
    """What a CI system would hand to a shell, wherever it stands in a file."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("run", "entry"):
                yield from str(value).splitlines()
            elif key == "script":
                yield from value
            else:
                yield from commands(value)
    elif isinstance(node, list):
        for value in node:
            yield from commands(value)


def all_commands() -> list[str]:
    found = [command for text in FILES.values() for command in commands(yaml.safe_load(text))]
    return sorted({command.strip() for command in found})


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with a suite and a baseline."""
    (tmp_path / "evals").mkdir()
    (tmp_path / "evals" / "baseline.json").write_text('{"version": 1, "suites": {}}', encoding="utf-8")
    (tmp_path / "evals" / "orders.metaprompt.yaml").write_text(
        'routine: {inline: "Repeat."}\ntarget: "echo:"\ncases:\n  - {id: one, input: a, expect: a}\n', encoding="utf-8"
    )
    git = ["git", "-c", "user.name=n", "-c", "user.email=e@x"]
    main = ["update-ref", "refs/remotes/origin/main", "HEAD"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"], main):
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    (tmp_path / "evals" / "orders.metaprompt.yaml").open("a").write("  - {id: two, input: b, expect: b}\n")
    return tmp_path


def test_there_is_a_recipe_for_each_place() -> None:
    assert set(FILES) == {
        ".github/workflows/prompts.yml",
        ".github/workflows/prompts-nightly.yml",
        ".github/workflows/prompts-repair.yml",
        ".github/workflows/prompts-suggest.yml",
        "changed.yml",
        ".gitlab-ci.yml",
        ".pre-commit-config.yaml",
    }


@pytest.mark.parametrize("file", [file for file in FILES if file.startswith(".github")])
def test_a_workflow_has_what_github_asks_for(file: str) -> None:
    workflow = yaml.safe_load(FILES[file])
    assert True in workflow  # YAML 1.1, which PyYAML reads, takes the key `on` for true.
    for job in workflow["jobs"].values():
        assert job["runs-on"]
        assert all(("run" in step) != ("uses" in step) for step in job["steps"])


@pytest.mark.parametrize("file", [file for file in FILES if file.startswith(".github")])
def test_a_workflow_may_do_no_more_than_it_must(file: str) -> None:
    workflow = yaml.safe_load(FILES[file])
    pushes = "git push" in FILES[file]
    writes = {name for name, right in workflow["permissions"].items() if right == "write"}
    assert writes == {name for name, used in (("contents", pushes), ("pull-requests", "gh pr" in FILES[file])) if used}
    (job,) = workflow["jobs"].values()
    assert "GH_TOKEN" not in job.get("env", {})
    assert all(("gh pr" in step.get("run", "")) == ("GH_TOKEN" in step.get("env", {})) for step in job["steps"])
    checkout = next(step for step in job["steps"] if step.get("uses", "").startswith("actions/checkout"))
    assert checkout.get("with", {}).get("persist-credentials", True) is pushes


def test_every_extra_that_is_installed_exists() -> None:
    known = set(tomllib.loads((PAGE.parent.parent / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    installed = [
        match[1] for command in all_commands() for match in [re.search(r"pytest-metaprompt\[(.+)\]", command)] if match
    ]
    assert installed
    assert {extra for extras in installed for extra in extras.split(",")} <= known


@pytest.mark.parametrize("command", [one for one in all_commands() if one.startswith("pytest ")])
def test_pytest_accepts_the_command(command: str, checkout: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(command), "--co", "-q"],
        cwd=checkout, capture_output=True, text=True, check=False, env={"CI": "true", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "evals/orders.metaprompt.yaml" in done.stdout


def test_a_command_that_pytest_would_refuse_is_found(checkout: Path) -> None:
    words = [sys.executable, "-m", "pytest", "evals", "--metaprompt-recrod=none", "--co"]
    assert subprocess.run(words, cwd=checkout, capture_output=True, check=False).returncode == 4
