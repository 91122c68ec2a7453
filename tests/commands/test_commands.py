from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from pytest_metaprompt.commands import main
from pytest_metaprompt.formats.marked import read_marked
from pytest_metaprompt.formats.schemas import read_schema

ROOT = Path(__file__).parents[2]


def test_the_schema_is_printed_for_editors(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest_metaprompt", "schema"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    schema = json.loads(done.stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema == read_schema()
    assert (schema["$schema"], schema["title"]) == (
        "https://json-schema.org/draft/2020-12/schema",
        "pytest-metaprompt suite",
    )
    assert schema["$id"]


@pytest.mark.parametrize("arguments", [["--help"], ["convert", "--help"]])
def test_help_names_what_there_is(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 0
    assert "convert" in capsys.readouterr().out


def test_an_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["convrt"])
    assert caught.value.code == 2
    assert "invalid choice: 'convrt'" in capsys.readouterr().err


def suites_of_the_project() -> list[object]:
    """Every suite in the docs, the README and the example project."""
    import re

    block = re.compile(r"<!-- file: (?P<file>\S+\.metaprompt\.ya?ml) -->\n```\w*\n(?P<text>.*?)^```$", re.M | re.S)
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), ROOT / "example_project" / "README.md"]
    found = [
        pytest.param(match["text"], id=f"{page.name}:{match['file']}")
        for page in sorted(pages)
        for match in block.finditer(page.read_text(encoding="utf-8"))
    ]
    files = sorted((ROOT / "example_project").rglob("*.metaprompt.yaml"))
    return found + [pytest.param(file.read_text(encoding="utf-8"), id=file.name) for file in files]


@pytest.mark.parametrize("text", suites_of_the_project())
def test_every_suite_of_the_project_is_as_the_schema_says(text: str) -> None:
    jsonschema.Draft202012Validator(read_schema()).validate(read_marked(text, "f").root.plain())
