"""Every command and output shown in the docs is what happens."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "example_project" / "README.md", *(ROOT / "docs").glob("*.md")])
BLOCK = re.compile(
    r"(?:<!-- file: (?P<file>\S+) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)

# What the CI script itself runs, or would reach the network.
RUN_ELSEWHERE = ("make ", "pip ", "git ")


@dataclass(frozen=True)
class Step:
    """A command of a page with the output that the page shows."""

    command: str
    shown: list[str]


def steps(page: Path, folder: Path) -> Iterator[Step]:
    """The page's commands in order; its files are written as they come."""
    for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
        if block["file"]:
            path = folder / block["file"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block["text"], encoding="utf-8")
        if block["language"] == "console":
            for chunk in re.split(r"^\$ ", block["text"], flags=re.MULTILINE)[1:]:
                command, *shown = chunk.rstrip("\n").split("\n")
                yield Step(command, shown)


def at_home() -> dict[str, str]:
    """The environment of a reader's own machine: the pages show what happens there, wherever the tests run."""
    return {name: value for name, value in os.environ.items() if name != "CI" and not name.startswith("GITHUB_")}


def run(command: str, folder: Path) -> str:
    words = shlex.split(command)
    program = [sys.executable, "-m", *words] if words[0] == "pytest" else [sys.executable, *words[1:]]
    done = subprocess.run(program, cwd=folder, env=at_home(), capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def assert_shown(shown: list[str], output: str) -> None:
    """The shown lines stand in the output in this order; `...` stands for anything, in a line or for lines."""
    lines = iter(output.splitlines())
    for line in shown:
        if line == "...":
            continue
        pattern = ".*".join(re.escape(part.rstrip()) for part in line.split("..."))
        assert any(re.match(pattern, real) for real in lines), f"{line!r} is not printed by now in:\n{output}"


@pytest.mark.local_model
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_commands_of_the_page_do_what_it_shows(page: Path, tmp_path: Path) -> None:
    for step in steps(page, tmp_path):
        if not step.command.startswith(RUN_ELSEWHERE):
            assert_shown(step.shown, run(step.command, tmp_path))


def test_every_option_is_on_the_reference_page() -> None:
    from pytest_metaprompt.plugin.option_table import TABLE

    page = (ROOT / "docs" / "running.md").read_text(encoding="utf-8")
    assert [option.name for option in TABLE if f"`--metaprompt-{option.name}" not in page] == []


def test_every_assertion_is_on_the_reference_page() -> None:
    from pytest_metaprompt.scorers import KNOWN

    pages = [page for page in PAGES if page.name in ("assertions.md", "judges.md")]
    page = "".join(page.read_text(encoding="utf-8") for page in pages)
    assert [kind for kind in sorted(KNOWN) if f"`{kind}`" not in page] == []


def test_links_between_pages_lead_somewhere() -> None:
    for page in [*PAGES, ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
