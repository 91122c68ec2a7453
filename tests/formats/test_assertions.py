from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_metaprompt.errors import MetapromptError, Place
from pytest_metaprompt.suites import Assertion

from .folder import NAME, Folder


def one(folder: Folder, text: str) -> Assertion:
    (case,) = folder.cases(f"cases:\n- vars: {{a: A, n: 5, m: {{k: v}}}}\n  assert:\n  - {text}\n")
    (assertion,) = case.assertions
    return assertion


def answer(folder: Folder, text: str) -> str | None:
    (case,) = folder.cases(f"cases:\n- vars: {{a: Ä}}\n  {text}\n")
    return case.answer


def test_an_assertion_has_its_fields_settings_and_place(folder: Folder) -> None:
    text = "{type: json, value: {x: 1}, threshold: 0.5, weight: 2, metric: m, tolerance: 0.1, ignore_paths: ['y']}"
    assert one(folder, text) == Assertion(
        "json",
        {"x": 1},
        threshold=0.5,
        weight=2,
        metric="m",
        settings={"tolerance": 0.1, "ignore_paths": ["y"]},
        where=Place(NAME, 5),
    )


def test_not_in_front_of_a_type_negates_it(folder: Folder) -> None:
    assertion = one(folder, "{type: not-contains, value: x}")
    assert (assertion.kind, assertion.negated, assertion.type) == ("contains", True, "not-contains")


def test_texts_in_a_value_are_filled_at_every_depth(folder: Folder) -> None:
    text = "{type: json, value: {k: ['{{a}}', {z: '{{n}} {{m}} {{m.k}}'}, 1, null]}, ignore_paths: ['{{a}}']}"
    assertion = one(folder, text)
    assert assertion.value == {"k": ["A", {"z": '5 {"k": "v"} v'}, 1, None]}
    assert assertion.settings == {"ignore_paths": ["A"]}


def test_braces_that_are_no_placeholder_are_left_alone(folder: Folder) -> None:
    assert one(folder, r"{type: regex, value: '^\d{2}{{a}}{3}$'}").value == r"^\d{2}A{3}$"
    assert one(folder, """{type: python, value: "{'x': {'y': 1}}[output]"}""").value == "{'x': {'y': 1}}[output]"


def test_expect_is_short_for_equals_and_comes_before_the_case_s_assertions(folder: Folder) -> None:
    (case,) = folder.cases(
        "defaults: {assert: [{type: is-json}]}\ncases:\n- input: hi\n"
        "  assert: [{type: contains, value: x}]\n  expect: 5\n"
    )
    assert [assertion.kind for assertion in case.assertions] == ["is-json", "equals", "contains"]
    assert case.assertions[1] == Assertion("equals", 5, where=Place(NAME, 6))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("expect: '{{a}}'", "Ä"),
        ("expect: 5", "5"),
        ("expect: {x: [Ä, true]}", '{"x": ["Ä", true]}'),
        ("assert: [{type: equals, value: 5}]", "5"),
        ("assert: [{type: equals, value: 5}, {type: equals, value: 6}]", None),
        ("assert: [{type: not-equals, value: 5}]", None),
        ("assert: [{type: json, value: {x: Ä}}]", '{"x": "Ä"}'),
        ("assert: [{type: json, value: [1, 2]}]", "[1, 2]"),
        ("assert: [{type: json, value: '[1]'}]", None),
        ("assert: [{type: not-json, value: [1]}]", None),
        ("assert: [{type: json, value: [1]}, {type: equals, value: x}]", "x"),
        ("assert: [{type: equals, value: y}]\n  expect: x", "x"),
        ("assert: [{type: contains, value: y}]", None),
    ],
)
def test_the_answer_is_the_whole_right_reply_where_it_is_known(folder: Folder, text: str, expected: str | None) -> None:
    assert answer(folder, text) == expected


def refuse_contians(assertion: Assertion) -> None:
    if assertion.kind == "contians":
        raise MetapromptError(f"unknown assertion {assertion.type!r}", hint="did you mean 'contains'?")


def test_assertions_that_cannot_work_are_told_at_their_lines(folder: Folder) -> None:
    text = (
        "routine: r.md\ndefaults:\n  assert:\n  - {type: not-contians}\ncases:\n"
        "- {input: a, expect: b}\n- input: c\n  assert:\n  - type: contains\n  - type: contians\n"
    )
    assert replace(folder, check=refuse_contians).problems(text) == [
        "4: unknown assertion 'not-contians' (did you mean 'contains'?)",
        "10: unknown assertion 'contians' (did you mean 'contains'?)",
    ]
