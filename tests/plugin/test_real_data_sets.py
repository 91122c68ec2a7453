"""Data sets of others, as their files are: BBH and SNIPS in JSON under a key, Banking77 in a CSV of 10,003 rows."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import Project

DATA = Path(__file__).parents[3] / "shared" / "data"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not beside the project")

BBH = ("boolean_expressions", "date_understanding", "object_counting", "word_sorting")
SNIPS = ("AddToPlaylist", "BookRestaurant", "GetWeather")

# A target that knows every answer of the data, and gives a wrong one wherever `False` is right.
ORACLE = """\
import json, pathlib

def rows():
    for path in pathlib.Path(__file__).parent.glob("*.json"):
        if path.name != "report.json":
            yield from json.loads(path.read_text()).get("examples", [])

ANSWERS = {row["input"]: row["target"] for row in rows()}

def answer(messages):
    right = ANSWERS[messages[-1]["content"]]
    return "True" if right == "False" else right
"""


def test_tasks_of_big_bench_hard_run_from_their_files(project: Project) -> None:
    for name in BBH:
        shutil.copyfile(DATA / "bbh" / f"{name}.json", project.path / f"{name}.json")
    project.write(oracle_dot_py=ORACLE)
    template = "key: examples, input: '{{input}}', expect: '{{target}}'"
    sets = "".join(f"  - {{dataset: {name}.json, {template}, tags: [{name}]}}\n" for name in BBH)
    project.suite(f"routine: {{inline: Answer.}}\ntarget: python:oracle:answer\ncases:\n{sets}")
    after = project.run("--tb=no", "-q")
    cases = after.report["suites"][0]["cases"]
    wrong = [case["id"] for case in cases if case["outcome"] != "passed"]
    falses = [
        row for row in json.loads((project.path / "boolean_expressions.json").read_text())["examples"]
        if row["target"] == "False"
    ]  # fmt: skip
    assert (len(cases), len(wrong)) == (1000, len(falses))
    assert {tuple(case["tags"]) for case in cases if case["id"] in wrong} == {("boolean_expressions",)}
    assert len({case["id"] for case in cases}) == 1000


def test_intents_of_snips_run_from_their_files(project: Project) -> None:
    for name in SNIPS:
        shutil.copyfile(DATA / "snips" / f"validate_{name}.json", project.path / f"{name}.json")
    sets = "".join(
        f"  - {{dataset: {name}.json, key: {name}, input: '{{{{data.0.text}}}}', expect: {name}}}\n" for name in SNIPS
    )
    project.suite(
        f"routine: {{inline: Name the intent.}}\ntarget: {{model: openai:small, base_url: BASE}}\ncases:\n{sets}"
    )
    project.target = lambda body: "GetWeather"
    after = project.run("--tb=no", "-q")
    assert after.report["suites"][0]["accuracy"]["passed"] == 100
    assert after.report["suites"][0]["accuracy"]["total"] == 300


def test_a_draw_of_banking77_is_the_same_whatever_the_order_of_its_rows(project: Project) -> None:
    raw = (DATA / "banking77" / "train.csv").read_bytes().decode()
    project.write_bytes("b.csv", raw.encode())
    project.suite(
        "routine: {inline: Name the intent.}\ntarget: 'echo:'\n"
        "cases: [{dataset: b.csv, limit: 200, seed: 7, input: '{{category}}', expect: '{{category}}'}]\n"
    )
    first = [case["id"] for case in project.run("-q").report["suites"][0]["cases"]]
    header, *rows = csv.reader(io.StringIO(raw, newline=""))
    turned = io.StringIO(newline="")
    csv.writer(turned).writerows([header, *rows[::-1]])
    project.write_bytes("b.csv", turned.getvalue().encode())
    after = project.run("-q")
    assert [case["id"] for case in after.report["suites"][0]["cases"]] == first[::-1]
    assert len(first) == 200
    assert after.report["suites"][0]["accuracy"]["passed"] == 200
