"""The settings of a `metaprompt` marker, read and refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_metaprompt.errors import SuiteFileError
from pytest_metaprompt.formats.markers import MarkerReader
from pytest_metaprompt.suites import ModelSpec, Suite
from tests.formats.folder import parse_model


@pytest.fixture
def reader(tmp_path: Path) -> MarkerReader:
    (tmp_path / "tests").mkdir()
    (tmp_path / "r.md").write_text("In the root.")
    return MarkerReader(tmp_path / "tests" / "test_it.py", tmp_path, parse_model)


def read(reader: MarkerReader, **settings: object) -> Suite:
    return reader.read({"routine": "r.md", **settings}, 7)[0]


def problems(reader: MarkerReader, **settings: object) -> list[str]:
    with pytest.raises(SuiteFileError) as caught:
        read(reader, **settings)
    return [str(problem) for problem in caught.value.problems]


def test_settings_are_those_of_a_suite(reader: MarkerReader) -> None:
    suite = read(
        reader,
        target={"model": "openai:small", "temperature": 0, "base_url": "http://x"},
        meta="openai:big",
        objective="Be right.",
        repeat=3,
        min_pass=2,
        fix={"edit": ["system"], "budget": {"calls": 9}},
    )
    assert suite.target == ModelSpec("openai", "small", {"temperature": 0}, "http://x")
    assert suite.meta == ModelSpec("openai", "big")
    assert (suite.objective, suite.repeat, suite.min_pass, suite.cases) == ("Be right.", 3, 2, ())
    assert (suite.fix.edit, suite.fix.budget.calls) == (("system",), 9)


def test_a_routine_beside_the_test_comes_before_one_in_the_root(reader: MarkerReader, tmp_path: Path) -> None:
    assert read(reader).routine.path == tmp_path / "r.md"
    (tmp_path / "tests" / "r.md").write_text("Beside.")
    assert read(reader).routine.path == tmp_path / "tests" / "r.md"


def test_a_path_object_is_as_good_as_a_text(reader: MarkerReader, tmp_path: Path) -> None:
    assert read(reader, routine=tmp_path / "r.md").routine.path == tmp_path / "r.md"


def test_repair_is_on_unless_it_is_switched_off(reader: MarkerReader) -> None:
    assert reader.read({"routine": "r.md"}, 1)[1] is True
    assert reader.read({"routine": "r.md", "repair": False}, 1)[1] is False


@pytest.mark.parametrize("target", ["openai:small", {"model": "openai:small", "seed": 1}])
def test_tools_become_parameters_of_the_target(reader: MarkerReader, tmp_path: Path, target: object) -> None:
    tools = [{"type": "function", "function": {"name": "refund"}}]
    (tmp_path / "tests" / "tools.json").write_text(json.dumps(tools))
    for given in (tools, "tools.json"):
        found = read(reader, target=target, tools=given).target
        assert found is not None
        assert found.params["tools"] == tools


def test_everything_that_is_wrong_is_told_at_once_with_its_line(reader: MarkerReader) -> None:
    found = problems(reader, routine="r.txd", taget="echo:", repeat=0, meta="nobody", min_pass=object())
    assert all(problem.startswith("tests/test_it.py:7: ") for problem in found)
    for said in (
        "unknown key 'taget' (did you mean 'target'?",
        "repeat must be a whole number of 1 or more, not 0",
        "min_pass must be a whole number of 1 or more, not <object",
        "the routine 'r.txd' must end in .md, .txt, .prompty, .yaml or .json",
        "unknown model 'nobody' (write provider:name)",
    ):
        assert len([problem for problem in found if said in problem]) == 1
    assert len(found) == 5
