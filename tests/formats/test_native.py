from __future__ import annotations

from pathlib import Path

import pytest

from pytest_metaprompt.errors import Place, SuiteFileError
from pytest_metaprompt.formats.native import read_suite
from pytest_metaprompt.suites import ModelSpec, PythonName, RoutineRef, YamlAt

from .folder import CASE, NAME, Folder, accept, parse_model

DESIGN = """\
routine: routines/order_number.prompty    # relative to this file; or  routine: {inline: "..."}
target: local:smollm2-135m                # or a mapping, below
meta: openai:<model>                      # optional
judge: openai:<model>                     # optional, for model-graded assertions
objective: Extract the order number from a customer's message.
source: docs/policy.md                    # human document, for --metaprompt-generate
repeat: 3                                 # attempts per case   (default 1)
min_pass: 2                               # attempts that must pass (default: all)
gate: {min_accuracy: 0.9}                 # see Gates
fix: {edit: [system, examples], holdout: 0.25, budget: {calls: 600, seconds: 300}}
defaults: {vars: {}, assert: [], tags: []}
cases:
  - id: cracked-lid
    vars: {message: "Hi, my order ORD-48213 arrived with a cracked lid."}
    expect: ORD-48213                     # short for  assert: [{type: equals, value: ORD-48213}]
    tags: [returns]
  - id: second-turn
    messages:                             # a chat prefix that follows the routine's own messages
      - {role: user, content: I want to cancel my flight.}
    assert:
      - {type: tool-call, value: {name: verify_identity}}
  - dataset: cases/orders.csv             # csv, tsv, json, jsonl, yaml; a row gives vars; the keys beside it are a
    id: "{{ticket}}"                      #   template for each row (id, input, messages, expect, assert, tags)
    csv: {delimiter: ","}
    expect: "{{order}}"
"""


def test_the_suite_of_the_design_is_read(folder: Folder) -> None:
    folder.put("routines/order_number.prompty", "---\n---\n").put("docs/policy.md", "Be fair.")
    suite = folder.put("cases/orders.csv", "ticket,order\nt1,ORD-1\n").suite(DESIGN)
    assert suite.path == folder.path / NAME
    assert suite.routine == RoutineRef(folder.path / "routines/order_number.prompty", where=Place(NAME, 1))
    assert (suite.target, suite.meta) == (ModelSpec("local", "smollm2-135m"), ModelSpec("openai", "<model>"))
    assert suite.source == folder.path / "docs/policy.md"
    assert suite.objective == "Extract the order number from a customer's message."
    assert suite.required_passes == 2
    assert [case.id for case in suite.cases] == ["cracked-lid", "second-turn", "t1"]
    assert [case.answer for case in suite.cases] == ["ORD-48213", None, "ORD-1"]


def test_a_routine_may_stand_in_the_suite(folder: Folder) -> None:
    suite = folder.suite(f"description: x\nroutine: {{inline: 'Be brief, {{{{name}}}}.'}}\n{CASE}")
    at = YamlAt(("routine", "inline"))
    assert suite.routine == RoutineRef(path=folder.path / NAME, at=at, where=Place(NAME, 2))


def test_a_routine_may_be_a_constant_of_a_module(folder: Folder) -> None:
    folder.put("lib/prompts.py", "")
    suite = folder.suite(f"description: x\nroutine: lib/prompts.py:Shop.RULES\n{CASE}")
    at = PythonName("Shop.RULES")
    assert suite.routine == RoutineRef(path=folder.path / "lib/prompts.py", at=at, form="plain", where=Place(NAME, 2))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_byte_order_marks_and_line_ends_do_not_matter(folder: Folder, encoding: str, end: str) -> None:
    text = "routine: r.md\ncases:\n- input: |\n    ä\n    b\n  expect: ö\n- {id: b, input: x, expect: y}\n"
    first, second = folder.suite(text.replace("\n", end).encode(encoding)).cases
    assert (first.input, first.answer, second.where) == ("ä\nb\n", "ö", Place(NAME, 7))


def test_the_words_of_yaml_1_1_stay_texts(folder: Folder) -> None:
    (case,) = folder.cases("cases: [{vars: {body: Yes, when: 2024-01-31, at: 12:30}, expect: no}]\n")
    assert (case.vars, case.answer) == ({"body": "Yes", "when": "2024-01-31", "at": "12:30"}, "no")


def test_anchors_and_merge_keys_work_in_a_suite(folder: Folder) -> None:
    first, second = folder.cases("cases:\n- &a {id: a, input: x, expect: y}\n- {<<: *a, id: b}\n")
    assert (first.input, second.input, second.id) == ("x", "x", "b")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("routine: s.md", "1: the routine 's.md' does not exist (did you mean 'r.md'?)"),
        (
            "routine: sub/r.mdd",
            "1: the routine 'sub/r.mdd' must end in .md, .txt, .prompty, .yaml or .json "
            '(for a text in the suite itself write  routine: {inline: "..."}, '
            "for a constant  routine: module.py:NAME)",
        ),
        (
            "routine: Answer {{question}} briefly.",
            "1: the routine 'Answer {{question}} briefly.' must end in .md, .txt, .prompty, .yaml or "
            '.json (for a text in the suite itself write  routine: {inline: "..."}, '
            "for a constant  routine: module.py:NAME)",
        ),
        (
            "routine: subb/r.md",
            "1: the routine 'subb/r.md' does not exist (there is no folder 'subb' beside the suite file)",
        ),
        ("routine: sub/q.md", "1: the routine 'sub/q.md' does not exist (did you mean 'sub/z.md'?)"),
        (
            "routine: something-else.txt",
            "1: the routine 'something-else.txt' does not exist (paths start at the suite file)",
        ),
        ("routine: sub/d.md", "1: the routine 'sub/d.md' is a folder (name a file in it)"),
        (f"routine: {'x' * 300}.md", f"1: the routine '{'x' * 60}' cannot be the name of a file"),
        ("routine: r.md\nsource: p.md", "2: the source 'p.md' does not exist (did you mean 'r.md'?)"),
    ],
)
def test_a_file_that_is_not_there_is_told_with_the_nearest_one(folder: Folder, text: str, problem: str) -> None:
    folder.put("sub/z.md", "").put("sub/d.md/x", "")
    assert folder.problems(f"{text}\n{CASE}") == [problem]


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n"])
def test_an_empty_suite_is_told_what_it_needs(folder: Folder, text: str) -> None:
    assert folder.problems(text) == [
        "1: the file is empty (a suite needs at least  routine: my_routine.md  and  cases: [...])"
    ]


def test_a_suite_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(SuiteFileError, match=r"cannot read .*none\.yaml: No such file or directory"):
        read_suite(tmp_path / "none.yaml", root=tmp_path, parse_model=parse_model, check_assertion=accept)


def test_all_problems_of_a_file_are_reported_together_in_line_order(folder: Folder) -> None:
    text = """\
routine: q.md
target: gpt
judgee: echo:x
repeat: 2
min_pass: 3
cases:
  - id: a
    input: "{{x}}"
    expect: y
  - id: b
    xpect: z
  - id: a
    vars: {m: 1}
    id: c
  - dataset: none.csv
"""
    assert [problem.split(" (")[0] for problem in folder.problems(text)] == [
        "1: the routine 'q.md' does not exist",
        "2: unknown model 'gpt'",
        "3: unknown key 'judgee'",
        "5: min_pass must be at most repeat, which is 2, not 3",
        "8: {{x}} has no value",
        "11: unknown key 'xpect'",
        "12: the case has no assertion, so it would always pass",
        "12: the id 'a' is given twice, first at s.metaprompt.yaml:7",
        "14: the key 'id' is given twice, first on line 12",
        "15: the dataset 'none.csv' does not exist",
    ]


def test_cases_are_not_judged_by_defaults_that_are_broken(folder: Folder) -> None:
    text = "routine: r.md\ndefaults: {varss: {a: 1}}\ncases: [{input: '{{a}}', expect: x}]\n"
    assert folder.problems(text) == [
        "2: unknown key 'varss' (did you mean 'vars'? known: assert, simulate, tags, vars)"
    ]


def test_places_are_relative_to_the_root_or_as_they_are(folder: Folder, tmp_path: Path) -> None:
    suite = folder.put("evals/s.yaml", "routine: ../r.md\ncases: [{dataset: ../d.csv, expect: x}]\n").put(
        "d.csv", "a\n1\n"
    )
    path = suite.path / "evals/s.yaml"
    inside = read_suite(path, root=tmp_path, parse_model=parse_model, check_assertion=accept)
    outside = read_suite(path, root=tmp_path / "other", parse_model=parse_model, check_assertion=accept)
    assert inside.routine.where == Place("evals/s.yaml", 1)
    assert inside.cases[0].where == Place("d.csv", 2)
    assert outside.routine.where == Place(path.as_posix(), 1)
