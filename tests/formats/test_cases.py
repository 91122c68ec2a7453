from __future__ import annotations

import pytest

from pytest_metaprompt.errors import Place
from pytest_metaprompt.suites import Case, Message

from .folder import HEAD, NAME, Folder


def test_a_case_has_what_its_entry_says(folder: Folder) -> None:
    (case,) = folder.cases(
        "cases:\n- id: one\n  vars: {a: A}\n  input: 'say {{a}}'\n  expect: x\n"
        "  tags: [t, '{{a}}', t]\n  split: holdout\n  protected: true\n"
    )
    assert case == Case(
        id="one",
        where=Place(NAME, 3),
        vars={"a": "A"},
        input="say A",
        assertions=case.assertions,
        answer="x",
        tags=("t", "A"),
        split="holdout",
        protected=True,
    )


def test_messages_are_filled_and_keep_what_else_they_hold(folder: Folder) -> None:
    (case,) = folder.cases(
        "cases:\n- vars: {a: A}\n  expect: x\n  messages:\n"
        '  - {role: assistant, content: null, tool_calls: [{function: {name: f, arguments: \'{"k": "{{a}}"}\'}}]}\n'
        "  - {role: tool, content: '{{a}}!', tool_call_id: '1'}\n"
    )
    call = {"function": {"name": "f", "arguments": '{"k": "A"}'}}
    assert case.messages == (
        Message("assistant", "", {"tool_calls": [call]}),
        Message("tool", "A!", {"tool_call_id": "1"}),
    )


def test_defaults_come_under_and_before_what_the_case_has(folder: Folder) -> None:
    (case,) = folder.cases(
        "defaults: {vars: {a: A, b: B}, tags: [all, x], assert: [{type: contains, value: '{{a}}{{b}}'}]}\n"
        "cases: [{vars: {b: C}, expect: x, tags: [x, own]}]\n"
    )
    assert case.vars == {"a": "A", "b": "C"}
    assert case.tags == ("all", "x", "own")
    assert [assertion.value for assertion in case.assertions] == ["AC", "x"]


def test_a_value_is_not_filled_into_another_value(folder: Folder) -> None:
    (case,) = folder.cases("cases: [{vars: {a: '{{b}}', b: B}, input: '{{a}}', expect: x}]\n")
    assert (case.vars, case.input) == ({"a": "{{b}}", "b": "B"}, "{{b}}")


@pytest.mark.parametrize(
    ("written", "case_id"),
    [("7", "7"), ("1.5", "1.5"), ("'07'", "07"), ("'{{a}}-{{n}}'", "A-3"), ("a b/c[d]", "a b/c[d]"), ("ünï", "ünï")],
)
def test_an_id_may_be_a_number_or_a_template(folder: Folder, written: str, case_id: str) -> None:
    (case,) = folder.cases(f"cases:\n- id: {written}\n  vars: {{a: A, n: 3}}\n  expect: x\n")
    assert case.id == case_id


def test_a_case_without_an_id_is_named_after_what_is_in_it(folder: Folder) -> None:
    text = "cases:\n- {vars: {b: 1, a: 2}, expect: x}\n- {input: hi, expect: x}\n"
    first, second = folder.cases(text)
    moved = folder.cases(
        "defaults: {vars: {z: 1}}\ncases: [{input: hi, expect: y, tags: [t]}, {vars: {a: 2, b: 1}, expect: y}]\n"
    )
    assert [case.id for case in moved] == [second.id, first.id]
    assert (first.id, second.id) == ("case-3d9f9229", "hi-0b271840")


ID_HINT = "(an id is one line, without '::' and outer spaces)"


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (
            "- {id: a, input: x, expect: y}\n- {id: a, input: z, expect: y}",
            [f"4: the id 'a' is given twice, first at {NAME}:3"],
        ),
        ("- {input: x, expect: y}\n- {input: x, expect: z}", ["4: identical cases at lines 3 and 4: give them ids"]),
        (
            "- {id: gate, input: x, expect: y}",
            ["3: the id 'gate' is reserved for the gate of the suite (choose another)"],
        ),
        ("- {id: 'a::b', input: x, expect: y}", [f"3: the id 'a::b' cannot be part of a pytest node id {ID_HINT}"]),
        ('- {id: "a\\nb", input: x, expect: y}', [f"3: the id 'a\\nb' cannot be part of a pytest node id {ID_HINT}"]),
        ("- {id: ' a', input: x, expect: y}", [f"3: the id ' a' cannot be part of a pytest node id {ID_HINT}"]),
        ("- {id: '{{a}}', vars: {a: ''}, expect: y}", ["3: the id is empty"]),
        ("- {expect: y}", ["3: nothing of this case reaches the model (give it input, messages or vars)"]),
        ("- {vars: {}, expect: y}", ["3: nothing of this case reaches the model (give it input, messages or vars)"]),
        ("- {input: x}", ["3: the case has no assertion, so it would always pass (give it expect or assert)"]),
        (
            "- {input: x, assert: []}",
            ["3: the case has no assertion, so it would always pass (give it expect or assert)"],
        ),
        (
            "- vars:\n    m: x\n    expect: y",
            ["3: the case has no assertion, so it would always pass (expect stands under vars: indent it less)"],
        ),
        ("- input: x\n  expect: '{{b}}'", ["4: {{b}} has no value (vars given: none)"]),
        (
            "- vars: {a: 1}\n  input: '{{a | upper}}'\n  expect: y",
            ["4: {{a | upper}} is not supported (only plain {{name}} placeholders are filled in)"],
        ),
        (
            "- input: x\n  assert:\n  - type: json\n    value:\n      k:\n      - '{{b}}'",
            ["8: {{b}} has no value (vars given: none)"],
        ),
        (
            "- messages:\n  - role: user\n    content: '{{b}}'\n  expect: y",
            ["5: {{b}} has no value (vars given: none)"],
        ),
        ("- {input: x, expect: y, tags: ['a b']}", ["3: the tag 'a b' holds white space (write it as 'a-b')"]),
        ("- {input: x, expect: y, tags: [' ']}", [f"3: a tag is empty in the case at {NAME}:3"]),
    ],
)
def test_what_is_wrong_with_a_case_is_told(folder: Folder, text: str, problems: list[str]) -> None:
    assert folder.problems(f"{HEAD}cases:\n{text}\n") == problems


def test_a_default_that_a_case_cannot_fill_is_told_once_with_the_first_such_case(folder: Folder) -> None:
    text = (
        "routine: r.md\ndefaults:\n  assert:\n  - {type: contains, value: '{{a}}'}\ncases:\n"
        "- {vars: {a: 1}, expect: x}\n- {vars: {b: 1}, expect: x}\n- {vars: {c: 1}, expect: x}\n"
    )
    assert folder.problems(text) == [f"4: {{{{a}}}} has no value in the case at {NAME}:7 (vars given: b)"]
