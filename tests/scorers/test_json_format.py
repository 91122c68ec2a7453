import json

import pytest

from pytest_metaprompt.errors import MetapromptError, ScorerError
from pytest_metaprompt.scorers import open_scorer

from .asking import NOWHERE, assertion, judge, refusal

SCHEMA = {"type": "object", "properties": {"quantity": {"type": "integer"}}, "required": ["quantity"]}


@pytest.mark.parametrize(
    "text", ["{}", " [1] \n", '"a"', "42", "null", '{"a": 1, "a": 2}', str(10**400), '"caf\\u00e9"', "-0.0"]
)
def test_json_passes(text):
    assert judge("is-json", None, text).passed


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the reply is empty"),
        (" \n", "the reply is empty"),
        ('```json\n{"a": 1}\n```', "it is fenced"),
        ('```\n{"a": 1}', "it is fenced"),
        ('Sure! {"a": 1}', "there is text around the JSON"),
        ('{"a": 1} Done.', "there is text around the JSON"),
        ('{"a": NaN}', "NaN is not a JSON value"),
        ("-Infinity", "-Infinity is not a JSON value"),
        ("1e999", "the number 1e999 is too large"),
        ("9" * 5000, "a number of 5000 digits is too large"),
        ("{'a': 1}", "Expecting property name enclosed in double quotes at line 1 column 2"),
        ('{"a": 1,}', "property name"),
        ("[" * 100_000, "nested more than 100 levels deep"),
        ("[" * 200 + "]" * 200, "nested more than 100 levels deep"),
        ("\ufeff{}", "text around the JSON"),
    ],
)
def test_what_is_not_json_fails_and_says_why(text, reason):
    verdict = judge("is-json", None, text)
    assert not verdict.passed
    assert verdict.reason.startswith("expected JSON: ")
    assert reason in verdict.reason


@pytest.mark.parametrize(
    "schema",
    [SCHEMA, json.dumps(SCHEMA, indent="\t"), "type: object\nrequired: [quantity]\n"],
    ids=["map", "json", "yaml"],
)
def test_a_schema_may_be_a_mapping_json_or_yaml(schema):
    assert judge("is-json", schema, '{"quantity": 3}').passed
    assert not judge("is-json", schema, "{}").passed


def test_a_schema_may_stand_in_a_file_beside_the_suite(tmp_path):
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "order.json").write_text(json.dumps(SCHEMA), encoding="utf-8")
    assert judge("is-json", "file://schemas/order.json", '{"quantity": 3}', base=tmp_path).passed
    assert not judge("is-json", "file://schemas/order.json", "{}", base=tmp_path).passed


def test_a_yaml_schema_has_the_booleans_of_yaml_1_2():
    assert judge("is-json", "enum: [yes, no, 2024-01-01]", '"yes"').passed


def test_each_violation_is_named_with_its_path():
    schema = {"properties": {"items": {"items": {"properties": {"id": {"type": "integer"}}}}}, "required": ["name"]}
    reason = judge("is-json", schema, '{"items": [{"id": 1}, {"id": "x"}]}').reason
    assert "items[1].id: 'x' is not of type 'integer'" in reason
    assert "'name' is a required property" in reason


def test_a_truth_value_is_no_integer():
    assert not judge("is-json", SCHEMA, '{"quantity": true}').passed


def test_a_whole_float_is_an_integer():
    assert judge("is-json", SCHEMA, '{"quantity": 3.0}').passed


def test_formats_are_checked():
    assert not judge("is-json", {"format": "date"}, '"tomorrow"').passed


def test_a_number_too_large_for_the_schema_fails():
    assert "too large to be checked" in judge("is-json", {"multipleOf": 0.01}, "9" * 500).reason


def test_a_schema_may_refer_to_itself_for_nested_values():
    schema = {"type": "array", "items": {"$ref": "#"}}
    assert judge("is-json", schema, "[" * 90 + "]" * 90).passed


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "objekt"}, "the JSON schema is invalid at type: "),
        ({"pattern": "(a"}, "the JSON schema is invalid at pattern: "),
        ({"$schema": "http://nowhere"}, "unknown $schema 'http://nowhere'"),
        ([1], "the schema must be a mapping, not a list"),
        (True, "the schema must be a mapping, not the truth value true"),
        ("", "the schema is empty"),
        ("{a: [", "the schema is neither JSON nor YAML"),
        ({"$ref": "#/$defs/order"}, "the JSON schema refers to '#/$defs/order', which is not in it"),
        ({"items": {"$ref": "https://example.com/order.json"}}, "nothing is fetched"),
    ],
)
def test_a_schema_that_cannot_work_is_refused(schema, message):
    assert message in refusal("is-json", schema)


def test_an_older_draft_is_read_as_what_it_says_it_is():
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}]}
    assert not judge("is-json", schema, "[1]").passed


@pytest.mark.parametrize("type_", ["is-json", "not-is-json"])
@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"$ref": "other.json"}, "refers to 'other.json', which is not in it"),
        ({"$ref": "#"}, "refers to itself without end"),
    ],
)
def test_a_schema_that_breaks_while_running_is_an_error(type_, schema, message):
    with pytest.raises(ScorerError, match=message):
        judge(type_, schema, "1")


def test_a_schema_is_never_fetched(monkeypatch):
    fetched = []
    monkeypatch.setattr("urllib.request.urlopen", lambda *request, **_: fetched.append(request))
    part = {"$id": "http://example.com/part", "$ref": "http://example.com/order.json"}
    with pytest.raises(ScorerError, match=r"refers to 'http://example\.com/order\.json'"):
        judge("is-json", {"$defs": {"part": part}, "$ref": "http://example.com/part"}, "1")
    assert fetched == []


def test_an_invalid_schema_file_is_refused_when_opened(tmp_path):
    (tmp_path / "bad.json").write_text("{", encoding="utf-8")
    with pytest.raises(MetapromptError, match="cannot be read as JSON"):
        open_scorer(assertion("is-json", "file://bad.json"), base=tmp_path)


def test_a_schema_file_outside_the_base_may_be_named_by_its_whole_path(tmp_path):
    (tmp_path / "any.yaml").write_text("type: array", encoding="utf-8")
    assert judge("is-json", f"file://{tmp_path}/any.yaml", "[]", base=NOWHERE).passed
