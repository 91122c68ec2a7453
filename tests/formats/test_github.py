"""GitHub's prompt files: what becomes a case, a check and a model, and what is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_metaprompt.clients.models import parse_model
from pytest_metaprompt.errors import Place, SuiteFileError
from pytest_metaprompt.formats.github import read_github
from pytest_metaprompt.scorers import check
from pytest_metaprompt.suites import Assertion, ModelSpec, RoutineRef, Suite

FILE = """\
name: Text Summarizer
description: Summarizes input text concisely
model: openai/gpt-4o-mini
modelParameters:
  temperature: 0.5
  maxTokens: 100
  topP: 1
messages:
  - role: system
    content: You summarize.
  - role: user
    content: 'Summarize: {{input}}'
testData:
  - input: The quick brown fox
    expected: A fox
    place: wood
  - {id: second, input: 12, expected: yes}
evaluators:
  - name: Begins well
    string: {startsWith: 'Summary - (a)'}
  - name: Says it
    string:
      contains: "{{expected}}"
      endsWith: .
"""


def read(folder: Path, text: str) -> Suite:
    path = folder / "sum.prompt.yml"
    path.write_text(text, encoding="utf-8")
    return read_github(path, root=folder, parse_model=parse_model, check_assertion=check)


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(SuiteFileError) as caught:
        read(folder, text)
    return [str(problem).removeprefix("sum.prompt.yml:") for problem in caught.value.problems]


def test_a_prompt_file_becomes_a_suite(tmp_path: Path) -> None:
    suite = read(tmp_path, FILE)
    path = tmp_path / "sum.prompt.yml"
    assert suite.routine == RoutineRef(path=path, where=Place("sum.prompt.yml", 1), form="messages-yaml")
    assert suite.target == ModelSpec(
        "github", "openai/gpt-4o-mini", {"temperature": 0.5, "max_tokens": 100, "top_p": 1}
    )
    assert suite.objective == "Summarizes input text concisely"
    first, second = suite.cases
    assert first.id.startswith("the-quick-brown-fox-")
    assert first.vars == {"input": "The quick brown fox", "expected": "A fox", "place": "wood"}
    assert first.where == Place("sum.prompt.yml", 14)
    assert first.assertions == (
        Assertion("regex", r"(?i)\A\s*Summary - \(a\)", metric="Begins well", where=Place("sum.prompt.yml", 20)),
        Assertion("icontains", "A fox", metric="Says it", where=Place("sum.prompt.yml", 23)),
        Assertion("regex", r"(?i)\.\s*\Z", metric="Says it", where=Place("sum.prompt.yml", 24)),
    )
    assert (second.id, second.answer, second.vars["expected"]) == ("second", None, "yes")


JUDGED = """\
  - {name: alike, uses: github/similarity}
  - name: tone
    llm:
      modelId: openai/gpt-4.1
      prompt: "How kind is {{completion}} about {{input}}?"
      choices: [{choice: rude, score: 0}, {choice: kind, score: 1}]
  - name: again
    llm: {prompt: Is it short?}
"""


def test_evaluators_that_ask_a_model_are_rubrics_for_the_judge(tmp_path: Path) -> None:
    suite = read(tmp_path, FILE + JUDGED)
    assert suite.judge == ModelSpec("github", "openai/gpt-4o")
    alike, tone, again = suite.cases[0].assertions[-3:]
    assert (alike.kind, alike.value, alike.settings) == (
        "llm-rubric", "The reply means the same as this right answer: A fox", {},
    )  # fmt: skip
    assert tone.value == "How kind is (the reply) about The quick brown fox?\n\nPass if the answer would be: kind."
    assert tone.settings == {"provider": "github:openai/gpt-4.1"}
    assert (again.value, again.settings, again.where) == ("Is it short?", {}, Place("sum.prompt.yml", 31))
    assert read(tmp_path, FILE).judge is None


def test_equals_is_the_right_answer(tmp_path: Path) -> None:
    text = FILE.replace("      endsWith: .\n", "      equals: '{{expected}}'\n")
    assert [case.answer for case in read(tmp_path, text).cases] == ["A fox", "yes"]


def test_a_format_of_the_reply_is_sent(tmp_path: Path) -> None:
    text = FILE + 'responseFormat: json_schema\njsonSchema: |\n  {"name": "x", "schema": {"type": "object"}}\n'
    target = read(tmp_path, text).target
    assert target is not None
    assert target.params["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "x", "schema": {"type": "object"}},
    }


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "    string: {startsWith: 'Summary - (a)'}",
            "    uses: github/similarty",
            "19: the evaluator 'Begins well' uses github/similarty, which is not known (write  string: {contains: ...}",
        ),
        (
            "    string: {startsWith: 'Summary - (a)'}",
            "    llm: {modelId: openai/gpt-4o, choices: []}",
            "19: the evaluator 'Begins well' checks nothing",
        ),
        ("    string: {startsWith: 'Summary - (a)'}", "", "19: the evaluator 'Begins well' checks nothing"),
        ("startsWith:", "startWith:", "20: unknown string evaluator 'startWith' (did you mean 'startsWith'?"),
        ("temperature:", "temprature:", "5: unknown key 'temprature' in modelParameters (did you mean 'temperature'?"),
        ("{{expected}}", "{{expeted}}", "14: {{expeted}} has no value (vars given: expected, input, place)"),
        ("testData:", "tests:", "1: testData must be a list with at least one entry (each is a case"),
        ("evaluators:", "evals:", "1: evaluators must be a list with at least one entry (such as"),
        ("messages:", "message:", "1: no messages (a prompt file has"),
        ("  - {id: second,", "  - hello\n  - {id: second,", "17: each of testData must be a mapping"),
        ("name: Text", "responseFormat: xml\nname: Text", "1: unknown responseFormat 'xml'"),
        ("name: Text", "responseFormat: json_schema\nname: Text", "1: jsonSchema must be a JSON Schema as a text"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, old: str, new: str, problem: str) -> None:
    found = problems(tmp_path, FILE.replace(old, new))
    assert [one for one in found if one.startswith(problem)], found


def test_rows_that_say_the_same_need_ids(tmp_path: Path) -> None:
    row = "  - {id: second, input: 12, expected: yes}\n"
    assert problems(tmp_path, FILE.replace(row, row + row))[0].startswith("18: the id 'second' is given twice")
