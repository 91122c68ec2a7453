import json

import pytest

from pytest_metaprompt.errors import MetapromptError
from pytest_metaprompt.scorers.json_schema import open_schema


def test_the_same_schema_is_opened_once():
    assert open_schema('{"type": "array"}') is open_schema('{"type": "array"}')


@pytest.mark.parametrize(
    "schema",
    [
        {"$defs": {"a b": {}}, "$ref": "#/$defs/a%20b"},
        {"$defs": {"a": {"$id": "http://x.y/a", "$ref": "#/$defs/b", "$defs": {"b": {}}}}, "$ref": "http://x.y/a"},
        {"$id": "http://x.y/root", "$defs": {"a": {}}, "$ref": "#/$defs/a"},
        {"$ref": "https://json-schema.org/draft/2020-12/schema"},
        {"properties": {"$ref": {"type": "string"}}},
        {"const": {"$ref": "#/nowhere"}},
    ],
)
def test_references_that_lead_somewhere_are_taken(schema):
    open_schema(json.dumps(schema))


def test_a_reference_deep_inside_that_leads_nowhere_is_refused():
    schema = {"properties": {"a": {"anyOf": [{"type": "null"}, {"$ref": "#/definitions/a"}]}}}
    with pytest.raises(MetapromptError, match="refers to '#/definitions/a'"):
        open_schema(json.dumps(schema))
