"""Tests as cases: files of all kinds, combinations of vars, defaults, scenarios, ids."""

from __future__ import annotations

import pytest

from pytest_metaprompt.suites import Case
from tests.formats.promptfoo.conftest import Read, Refused

HEAD = "prompts: ['{{a}} {{b}}']\nproviders: [echo]\n"


def cases(read: Read, text: str, **files: str) -> tuple[Case, ...]:
    (suite,) = read(HEAD + text, **files)
    return suite.cases


def test_lists_of_texts_make_combinations_and_other_lists_do_not(read: Read) -> None:
    found = cases(
        read,
        "tests:\n  - {description: Two Lists, vars: {a: [x, y], b: [m, n]}}\n"
        "  - {description: whole, vars: {a: [[x, y]], b: [1, 2]}}\n"
        "  - {description: off, options: {disableVarExpansion: true}, vars: {a: [x, y]}}\n",
    )
    assert [(case.id, dict(case.vars)) for case in found] == [
        ("two-lists-x-m", {"a": "x", "b": "m"}),
        ("two-lists-x-n", {"a": "x", "b": "n"}),
        ("two-lists-y-m", {"a": "y", "b": "m"}),
        ("two-lists-y-n", {"a": "y", "b": "n"}),
        ("whole", {"a": [["x", "y"]], "b": [1, 2]}),
        ("off", {"a": ["x", "y"]}),
    ]


def test_ids_are_stable_and_unique(read: Read) -> None:
    text = "tests: [{description: Gate}, {description: same}, {description: same}, {vars: {a: 1}}, {vars: {a: 1}}]\n"
    first = [case.id for case in cases(read, text)]
    assert first == [case.id for case in cases(read, text)]
    assert first[:3] == ["gate-1", "same", "same-2"]
    assert first[3].startswith("test-")
    assert first[4] == f"{first[3]}-2"


def test_a_file_pattern_in_a_var_is_a_test_for_each_file(read: Read) -> None:
    found = cases(read, "tests: [{vars: {a: 'file://d/*.txt'}}]\n", d__1_dot_txt="", d__2_dot_txt="")
    assert [case.vars["a"] for case in found] == ["file://d/2.txt", "file://d/1.txt"]


def test_vars_may_come_from_files(read: Read) -> None:
    files = {"t__v_dot_yaml": "a: v\nb: 1\n", "t__w_dot_yaml": "b: 2\n"}
    for vars in ("file://t/v.yaml", "t/v.yaml", "[t/w.yaml, t/v.yaml]", "'t/*.yaml'"):
        assert dict(cases(read, f"tests: [{{vars: {vars}}}]\n", **files)[0].vars) == {"a": "v", "b": 1}
    (inside,) = cases(read, "tests: file://t/tests.yaml\n", t__tests_dot_yaml="- vars: v.yaml\n", **files)
    assert inside.vars["a"] == "v"


def test_the_default_test_stands_below_every_test(read: Read) -> None:
    first, second = cases(
        read,
        "defaultTest:\n  vars: {a: A, b: B}\n  threshold: 0.5\n  options: {prefix: P, suffix: S}\n  metadata: {k: 1}\n"
        "  assert: [{type: contains, value: base}]\n"
        "tests:\n  - {description: one, vars: {b: own}, options: {prefix: Q}, assert: [{type: equals, value: mine}]}\n"
        "  - {description: two, threshold: 1, options: {disableDefaultAsserts: true}}\n",
    )
    assert dict(first.vars) == {"a": "A", "b": "own"}
    assert [check.value for check in first.assertions] == ["base", "mine"]
    assert (first.column_test.prefix, first.column_test.suffix, first.threshold) == ("Q", "S", 0.5)
    assert (second.assertions, second.threshold) == ((), 1)


def test_scenarios_cross_their_rows_with_their_tests_after_the_tests(read: Read) -> None:
    found = cases(
        read,
        "tests: [{description: before, vars: {a: 0}}]\nscenarios:\n"
        "  - config: [{vars: {a: s1}, assert: [{type: contains, value: s}]}, {vars: {a: s2}}]\n"
        "    tests: [{description: t1, vars: {b: 1}}, {description: t2, vars: {b: 2}}]\n",
    )
    assert [(case.id, dict(case.vars), len(case.assertions)) for case in found] == [
        ("before", {"a": 0}, 0),
        ("t1", {"b": 1, "a": "s1"}, 1),
        ("t2", {"b": 2, "a": "s1"}, 1),
        ("t1-2", {"b": 1, "a": "s2"}, 0),
        ("t2-2", {"b": 2, "a": "s2"}, 0),
    ]


def test_tests_come_from_files_of_every_kind(read: Read) -> None:
    found = cases(
        read,
        "tests: [file://t/a.yaml, file://t/b.json, file://t/c.jsonl, 'file://t/gen.py:make',"
        " {path: t/gen.py, config: {n: 2}}]\n",
        t__a_dot_yaml="- {vars: {a: yaml}}\n",
        t__b_dot_json='[{"vars": {"a": "json"}}]',
        t__c_dot_jsonl='{"vars": {"a": "l1"}}\n\n{"vars": {"a": "l2"}}\n',
        t__gen_dot_py="def make():\n    return [{'vars': {'a': 'py'}}]\n"
        "def generate_tests(config):\n    return [{'vars': {'a': 'cfg'}}] * config['n']\n",
    )
    assert [case.vars["a"] for case in found] == ["yaml", "json", "l1", "l2", "py", "cfg", "cfg"]


def test_a_csv_file_says_everything_in_its_columns(read: Read) -> None:
    header = (
        "a, b ,__expected,__expected2,__config:__expected:threshold,__threshold,__metric,__prefix,__providerOutput,"
        "__metadata:k,__metadata:l[]\n"
    )
    first, second = cases(
        read,
        "tests: file://t.csv\n",
        t_dot_csv="\ufeff"
        + header
        + '" x ",2.50,contains: x,levenshtein:y,0.4,0.5,M,PRE ,,v,"p\\,q, r"\n,,,,1,,,,out,,\n',
    )
    assert (first.id, dict(first.vars)) == ("row-1", {"a": " x ", "b": "2.50"})
    assert [(one.kind, one.value, one.threshold, one.metric) for one in first.assertions] == [
        ("contains", "x", 0.4, "M"),
        ("levenshtein", "y", 0.75, "M"),
    ]
    assert (first.threshold, first.column_test.prefix) == (0.5, "PRE ")
    assert first.column_test.metadata == {"k": "v", "l": ["p,q", "r"]}
    assert second.column_test.output == "out"


@pytest.mark.parametrize("rows", ["1,2\n\n3,4\n", "1\n", "1,2,3\n"])
def test_a_ragged_row_is_refused_with_its_line(refused: Refused, rows: str) -> None:
    assert "cells, but the header line has 2" in refused(HEAD + "tests: file://t.csv\n", t_dot_csv=f"a,b\n{rows}")


def test_references_stand_for_what_they_name(read: Read) -> None:
    (case,) = cases(
        read,
        "assertionTemplates: {noise: {type: icontains, value: arr, weight: 2}}\n"
        "tests: [{assert: [{$ref: '#/assertionTemplates/noise'}]}]\n",
    )
    assert (case.assertions[0].kind, case.assertions[0].weight) == ("icontains", 2)


def test_graders_are_put_into_the_assertions_that_ask_one(read: Read) -> None:
    (case,) = cases(
        read,
        "defaultTest:\n  options: {provider: {text: {id: 'openai:chat:j', config: {apiBaseUrl: 'http://x/v1'}},"
        " embedding: 'openai:embedding:e'}}\n"
        "tests:\n  - assert:\n      - {type: llm-rubric, value: nice}\n      - {type: similar, value: x}\n"
        "      - {type: factuality, value: y, provider: 'openai:own'}\n      - {type: contains, value: z}\n",
    )
    assert [dict(check.settings) for check in case.assertions] == [
        {"provider": {"model": "openai:j", "base_url": "http://x/v1"}},
        {"provider": "openai:e"},
        {"provider": "openai:own"},
        {},
    ]


@pytest.mark.parametrize(
    ("tests", "told"),
    [
        ("[{vars: {a: 1, assert: [{type: equals}]}}]", "assert stands under vars (indent it less)"),
        ("[{asert: []}]", "unknown key 'asert' in a test (did you mean 'assert'?"),
        ("[{storeOutputAs: x}]", "unknown key 'storeOutputAs' in a test (write  options: {storeOutputAs: ...})"),
        ("[{assertScoringFunction: 'file://x.js'}]", "assertScoringFunction 'file://x.js' is no Python function"),
        ("[{options: {repeat: 3}}]", "options.repeat is not supported (use evaluateOptions.repeat"),
        ("[{assert: [{value: x}]}]", "an assertion needs a type"),
        ("[{vars: {a: 'file://no/*.txt'}}]", "the var 'a': there is no file 'no/*.txt'"),
        ("[{vars: nope.yaml}]", "there is no file of vars 'nope.yaml'"),
        ("[{threshold: high}]", "threshold of a test must be a number"),
        ("file://nope.csv", "there is no file of tests 'nope.csv'"),
        ("'https://docs.google.com/x'", "tests from https://docs.google.com/x are not supported"),
        ("[{assert: [{$ref: '#/nothing'}]}]", "$ref: there is no '#/nothing'"),
        ("5", "a test must be a mapping"),
    ],
)
def test_what_cannot_be_a_test_is_refused_with_what_to_do(refused: Refused, tests: str, told: str) -> None:
    assert told in refused(f"{HEAD}tests: {tests}\n")


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("nunjucksFilters: {f: x.js}", "nunjucksFilters is not supported"),
        ("extensions: ['file://x.py:h']", "extensions is not supported"),
        ("redteam: {plugins: []}", "redteam is not supported"),
        ("test: []", "unknown key 'test' (did you mean 'tests'?"),
        ("derivedMetrics: [{name: x}]", "a derived metric has a name and a formula"),
    ],
)
def test_keys_that_are_not_supported_are_refused_by_name(refused: Refused, key: str, told: str) -> None:
    assert told in refused(f"{HEAD}{key}\n")


def test_everything_that_is_wrong_is_told_together(refused: Refused) -> None:
    told = refused(
        "prompts: [file://no.txt, 'langfuse://x']\nproviders:\n  - anthropic:x\n  - google:y\n"
        "redteam: {a: 1}\ntests:\n  - {threshold: x}\n  - {assert: [{value: x}]}\n"
    )
    assert [line.partition(": ")[0].rpartition(":")[2] for line in told.split("\n")] == [
        "1",
        "1",
        "3",
        "4",
        "5",
        "7",
        "8",
    ]


def test_other_keys_may_hold_what_is_referred_to(read: Read) -> None:
    assert len(cases(read, "x-shared: &t {vars: {a: 1}}\nmyTemplates: {}\ntests: [*t]\n")) == 1
