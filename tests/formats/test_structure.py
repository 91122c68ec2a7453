from __future__ import annotations

import copy
import json
import random
from contextlib import suppress
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_metaprompt.errors import SuiteFileError
from pytest_metaprompt.formats.marked import read_marked
from pytest_metaprompt.formats.schemas import read_schema, schema_text
from pytest_metaprompt.formats.structure import find_flaws

from .folder import Folder

WHOLE = {
    "routine": "r.md",
    "target": {"model": "echo:x", "temperature": 0, "stop": None, "tools": [{"type": "function"}]},
    "meta": "echo:y",
    "judge": {"model": "echo:z", "base_url": "http://x", "api_key_env": "KEY", "tools": "tools.json"},
    "objective": "Be good.",
    "description": "",
    "source": "p.md",
    "repeat": 3,
    "min_pass": 2,
    "gate": {"min_accuracy": 0.9, "min_score": 1, "max_errors": 0, "confidence": 0.95},
    "fix": {
        "edit": ["system", "examples"],
        "holdout": 0.25,
        "max_length": 900,
        "budget": {"calls": 600, "tokens": 1000, "seconds": 0.5},
    },
    "defaults": {"vars": {"a": [1]}, "assert": [{"type": "contains", "value": "x"}], "tags": ["t"]},
    "cases": [
        {"id": 1, "vars": {"b": None}, "expect": {"c": 1}, "tags": ["u"], "split": "train", "protected": True},
        {
            "id": "two",
            "input": "hi",
            "messages": [
                {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
                {"role": "tool", "content": "x", "tool_call_id": "1", "name": "n"},
            ],
            "assert": [
                {"type": "json", "value": 1, "ignore_paths": ["a"], "tolerance": 0.1, "ignore_order": True},
                {"type": "not-tool-call", "mode": "exact", "threshold": 1, "weight": 0, "metric": "m"},
                {
                    "type": "assert-set",
                    "assert": [
                        {"type": "python", "value": "True", "config": {"a": 1}, "transform": "output"},
                        {"type": "assert-set", "assert": [{"type": "is-json"}]},
                    ],
                },
            ],
        },
        {
            "dataset": "d.csv",
            "csv": {"delimiter": ";", "quotechar": "'", "escapechar": "\\", "doublequote": False, "encoding": "cp1252"},
            "limit": 5,
            "seed": 1,
            "id": "{{a}}",
            "vars": {},
            "input": "{{b}}",
            "messages": [{"role": "user", "content": "x"}],
            "expect": "{{c}}",
            "assert": [],
            "tags": [],
            "split": "{{d}}",
            "protected": False,
        },
    ],
}
JUNK = [None, True, 0, -1, 1, 2.0, 0.5, 1.5, "", "x", "train", "{{x}}", "xy", [], [1], ["system"], [{}], {}, {"x": 1}]
KEYWORDS = {
    *("$schema", "$ref", "$defs", "title", "description", "x-words", "type", "not", "enum", "pattern", "minLength"),
    *("maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minItems", "items", "properties"),
    *("$id", "x-open", "x-near"),
    *("required", "additionalProperties", "if", "then", "else"),
}


def flaws(document: object) -> list[str]:
    return [flaw.message for flaw in find_flaws(read_marked(json.dumps(document), "f").root)]


def spots(value: object) -> list[tuple[object, object]]:
    """Every mapping or list in a value, with each of its keys."""
    if not isinstance(value, dict | list):
        return []
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    return [(value, key) for key in keys] + [spot for key in keys for spot in spots(value[key])]


def spoil(document: dict[str, object], dice: random.Random) -> None:
    container, key = dice.choice(spots(document))
    deed = dice.choice(["replace", "replace", "delete", "add", "move"])
    if deed == "delete":
        del container[key]
    elif deed == "replace" or isinstance(container, list):
        container[key] = copy.deepcopy(dice.choice(JUNK))
    else:
        new = dice.choice(["x", "dataset", "tool_calls", "assert", "usd", "api_key", "inline", "role", "tags"])
        container[new] = container.pop(key) if deed == "move" else copy.deepcopy(dice.choice(JUNK))


def surroundings(path: Path) -> Folder:
    """What the whole suite names."""
    return Folder(path).put("r.md", "").put("p.md", "").put("tools.json", "[]").put("d.csv", "a;b;c;d\n9;2;3;train\n")


def schemas(schema: dict[str, object]) -> list[dict[str, object]]:
    """The schema and every schema in it."""
    inner = [schema[key] for key in ("items", "then", "else") if key in schema]
    inner += [child for key in ("properties", "$defs") for child in schema.get(key, {}).values()]
    return [schema, *(found for child in inner for found in schemas(child))]


def test_the_schema_is_a_json_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(read_schema())


def test_the_schema_uses_only_keywords_that_are_understood() -> None:
    assert {key for schema in schemas(read_schema()) for key in schema} <= KEYWORDS


def test_a_reference_stands_alone_but_for_a_description() -> None:
    assert all(schema.keys() <= {"$ref", "description"} for schema in schemas(read_schema()) if "$ref" in schema)


def test_the_schema_describes_every_key_for_editors() -> None:
    found = schemas(read_schema())
    undescribed = [
        key
        for schema in found
        for key, child in schema.get("properties", {}).items()
        if "description" not in child and "$ref" not in child and schema.get("type") is not None
    ]
    assert undescribed == []


def test_a_suite_with_every_key_has_no_flaw(tmp_path: Path) -> None:
    assert flaws(WHOLE) == []
    assert [case.id for case in surroundings(tmp_path).suite(json.dumps(WHOLE)).cases] == ["1", "two", "9"]
    assert jsonschema.Draft202012Validator(read_schema()).is_valid(WHOLE)


def enforced() -> dict[str, object]:
    """The schema without the lists that only help editors: the registry of scorers has the last word on types."""
    schema = json.loads(json.dumps(read_schema()))
    for inner in schemas(schema):
        if inner.get("x-open"):
            del inner["enum"]
    return schema


VALIDATOR = jsonschema.Draft202012Validator(enforced())


@settings(max_examples=1500, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 4))
def test_our_judgement_is_that_of_the_jsonschema_package(dice: random.Random, times: int) -> None:
    document = copy.deepcopy(WHOLE)
    for _ in range(times):
        if spots(document):
            spoil(document, dice)
    assert (flaws(document) == []) == VALIDATOR.is_valid(document), document


@pytest.mark.parametrize("junk", JUNK, ids=repr)
def test_each_value_of_a_whole_suite_is_judged_as_jsonschema_does(junk: object) -> None:
    for index in range(len(spots(WHOLE))):
        document = copy.deepcopy(WHOLE)
        container, key = spots(document)[index]
        container[key] = junk
        assert (flaws(document) == []) == VALIDATOR.is_valid(document), (key, junk)


@settings(max_examples=500, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 6))
def test_a_spoiled_suite_is_read_or_refused_but_never_a_crash(
    tmp_path_factory: pytest.TempPathFactory, dice: random.Random, times: int
) -> None:
    folder = surroundings(tmp_path_factory.getbasetemp())
    document = copy.deepcopy(WHOLE)
    for _ in range(times):
        if spots(document):
            spoil(document, dice)
    with suppress(SuiteFileError):
        folder.suite(json.dumps(document))


def test_no_key_of_the_schema_is_given_twice() -> None:
    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        assert len({key for key, _ in pairs}) == len(pairs), [key for key, _ in pairs]
        return dict(pairs)

    json.loads(schema_text(), object_pairs_hook=once)


TOP = (
    "known: cases, defaults, description, embedding, fix, gate, judge, meta, min_pass, objective, repeat, routine, "
    "source, target"
)
CASE = "known: assert, dataset, expect, id, input, messages, protected, simulate, split, tags, turns, vars"
ASSERTION = (
    "known: assert, config, factuality, ignore_order, ignore_paths, metric, mode, provider, scope, "
    "threshold, tolerance, transform, type, value, weight"
)
REST = "routine: r.md\ncases: [{input: hi, expect: ho}]\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("reapeat: 2", f"1: unknown key 'reapeat' (did you mean 'repeat'? {TOP})"),
        ("repeat: three", "1: repeat must be a whole number of 1 or more, not the text 'three'"),
        ("repeat: 0", "1: repeat must be a whole number of 1 or more, not 0"),
        ("repeat: true", "1: repeat must be a whole number of 1 or more, not true"),
        ("repeat:", "1: repeat must be a whole number of 1 or more, but it is empty"),
        ("gate: {min_accuracy: 90}", "1: min_accuracy must be a number from 0 to 1, not 90"),
        ("gate: {confidence: 1}", "1: confidence must be a number from 0.5 to below 1, not 1"),
        ("gate: 0.9", "1: gate must be a mapping, not 0.9"),
        (
            "target: 5",
            "1: target must be a text such as openai:<model>, or a mapping with a key model, not 5 "
            "(put it in quotes to make it a text)",
        ),
        (
            "target: {temperature: 0}",
            "1: missing key 'model' (the model as provider:name, such as openai:<model> or local:smollm2-135m)",
        ),
        (
            "target: {model: 'a:b', api_key: sk}",
            "1: api_key is refused (a key does not belong into a suite file: put it "
            "into an environment variable and name that as api_key_env)",
        ),
        (
            "target: {model: 'a:b', extra_body: {top_k: 5}}",
            "1: extra_body is refused (whatever stands beside model is sent in the body of the request: put its keys "
            "there)",
        ),
        ("target: {model: 'a:b', timeout_s: 0}", "1: timeout_s must be a number above 0, not 0"),
        (
            "fix: {edit: [sytem]}",
            "1: unknown edit 'sytem' (did you mean 'system'? known: examples, system, user)",
        ),
        ("fix: {edit: []}", "1: edit must be a list with at least one item, not an empty list"),
        ("fix: {holdout: 1}", "1: holdout must be a number from 0 to 0.9, not 1"),
        ("fix: {budget: {seconds: 0}}", "1: seconds must be a number above 0, not 0"),
        ("fix:\n  budget:\n    usd: 0", "3: usd must be a number above 0, not 0"),
        ("objective: ''", "1: objective must be a text that is not empty, not an empty text"),
        (
            "defaults: {tags: [5]}",
            "1: each of tags must be a text that is not empty, not 5 (put it in quotes to make it a text)",
        ),
        (
            "defaults:\n  vars:\n    a: 1\n    assert: []",
            "4: assert is refused (an assertion under vars would never be "
            "checked: assert stands beside vars, so indent it less)",
        ),
    ],
)
def test_a_flaw_of_a_suite_is_told_in_words(folder: Folder, text: str, problem: str) -> None:
    assert folder.problems(f"{text}\n{REST}") == [problem]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("- input: hi\n  xpect: ho", f"4: unknown key 'xpect' (did you mean 'expect'? {CASE})"),
        ("- {datset: a.csv, expect: ho}", f"3: unknown key 'datset' (did you mean 'dataset'? {CASE})"),
        ("- hi", "3: each of cases must be a mapping, not the text 'hi'"),
        ("- {expect: ho, input: 5}", "3: input must be a text, not 5 (put it in quotes to make it a text)"),
        (
            "- {input: hi, expect: }",
            "3: expect must be a text, a number, true or false, a list or a mapping, but it is empty",
        ),
        ("- {input: hi, expect: ho, split: dev}", "3: unknown split 'dev' (known: holdout, train)"),
        ("- {input: hi, expect: ho, protected: Yes}", "3: protected must be true or false, not the text 'Yes'"),
        ("- {expect: ho, messages: [{content: x}]}", "3: missing key 'role' (who speaks)"),
        ("- {expect: ho, messages: [{role: user}]}", "3: missing key 'content' (what is said)"),
        (
            "- {expect: ho, messages: [{role: usr, content: x}]}",
            "3: unknown role 'usr' (did you mean 'user'? known: assistant, developer, system, tool, user)",
        ),
        ("- {expect: ho, messages: []}", "3: messages must be a list with at least one item, not an empty list"),
        (
            "- input: hi\n  assert:\n    - value: x",
            "5: missing key 'type' (the kind of assertion, such as equals, contains, "
            "regex, json or tool-call; not- in front of it turns it round)",
        ),
        ("- input: hi\n  assert:\n    - contains", "5: each of assert must be a mapping, not the text 'contains'"),
        (
            "- input: hi\n  assert:\n    - type: contains\n      vale: x",
            f"6: unknown key 'vale' (did you mean 'value'? {ASSERTION})",
        ),
        ("- {input: hi, assert: [{type: x, weight: -1}]}", "3: weight must be a number of 0 or more, not -1"),
        ("- {dataset: d.csv, csv: {delimiter: tab}}", "3: delimiter must be one character, not the text 'tab'"),
        ("- {dataset: d.csv, split: dev}", "3: split must be train, holdout or a {{column}}, not the text 'dev'"),
        (
            "- {dataset: d.csv, datset: e}",
            "3: unknown key 'datset' (did you mean 'dataset'? known: assert, csv, dataset, "
            "expect, id, input, key, limit, messages, protected, seed, simulate, split, tags, turns, vars)",
        ),
    ],
)
def test_a_flaw_of_a_case_is_told_in_words(folder: Folder, text: str, problem: str) -> None:
    assert folder.problems(f"routine: r.md\ncases:\n{text}\n") == [problem]


def test_missing_keys_of_a_suite_are_told(folder: Folder) -> None:
    assert folder.problems("# a note\nrepeat: 1\n") == [
        "2: missing key 'routine' (the routine (prompt) under test: the path of a .md, .txt, .prompty, .prompt.yml or "
        '.json file, relative to this file; a constant, module.py:NAME; or {inline: "..."})',
        "2: missing key 'cases' (the cases: each is one case, or a data set whose rows become cases)",
    ]


@pytest.mark.parametrize(("text", "kind"), [("- a", "a list"), ("hello", "the text 'hello'"), ("5", "5")])
def test_a_suite_that_is_no_mapping_is_told(folder: Folder, text: str, kind: str) -> None:
    assert folder.problems(text) == [f"1: a suite must be a mapping, not {kind}"]


def test_a_suite_without_cases_is_told(folder: Folder) -> None:
    assert folder.problems("routine: r.md\ncases: []\n") == [
        "2: cases must be a list with at least one item, not an empty list"
    ]


def test_a_long_text_is_cut_in_a_message(folder: Folder) -> None:
    (problem,) = folder.problems(f"repeat: {'long ' * 20}\n{REST}")
    assert problem.endswith("not the text 'long long long long long long long lo...'")


def test_the_schema_lists_the_assertions_that_can_be_checked() -> None:
    from pytest_metaprompt.scorers import KNOWN

    (listed,) = [schema["enum"] for schema in schemas(read_schema()) if schema.get("x-open")]
    assert sorted(listed) == sorted([*KNOWN, *(f"not-{kind}" for kind in KNOWN)])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("target: {model: 'a:b', base_ulr: 'http://x'}", "1: unknown key 'base_ulr' (did you mean 'base_url'?)"),
        ("target:\n  model: a:b\n  temprature: 0", "3: unknown key 'temprature' (did you mean 'temperature'?)"),
        ("meta: {model: 'a:b', max_token: 5}", "1: unknown key 'max_token' (did you mean 'max_tokens'?)"),
        ("judge: {model: 'a:b', timeout: 5}", "1: unknown key 'timeout' (did you mean 'timeout_s'?)"),
        (
            "gate: {min_acuracy: 0.5}",
            "1: unknown key 'min_acuracy' (did you mean 'min_accuracy'? "
            "known: confidence, max_errors, max_regressions, min_accuracy, min_score, tags)",
        ),
        (
            "fix: {budget: {call: 5}}",
            "1: unknown key 'call' (did you mean 'calls'? known: calls, seconds, tokens, usd)",
        ),
        ("defaults: {tag: [x]}", "1: unknown key 'tag' (did you mean 'tags'? known: assert, simulate, tags, vars)"),
    ],
)
def test_a_slip_in_a_nested_place_is_told(folder: Folder, text: str, problem: str) -> None:
    assert folder.problems(f"{text}\n{REST}") == [problem]


def test_a_parameter_that_resembles_no_known_one_is_left_to_the_server(folder: Folder) -> None:
    suite = folder.suite(f"target: {{model: 'a:b', top_k: 5, chat_template_kwargs: {{}}}}\n{REST}")
    assert suite.target is not None
    assert suite.target.params == {"top_k": 5, "chat_template_kwargs": {}}
