import pytest

from .asking import judge, refusal

SCHEMA = {"type": "object", "required": ["a"], "properties": {"a": {"type": "number"}}}


@pytest.mark.parametrize(
    ("text", "passed"),
    [
        ('text {"a": 1} more', True),
        ("text [1, 2] more", True),
        ('```json\n{"a": 1}\n```', True),
        ("n = 42", False),
        ("{a: 1}", False),
        ('{"a": ', False),
        ("{ {{ [ ", False),
    ],
)
def test_json_anywhere_in_the_reply(text, passed):
    assert judge("contains-json", None, text).passed is passed


def test_one_that_fits_is_enough():
    assert judge("contains-json", SCHEMA, 'x {"b": 1} y {"a": 2} z').passed


def test_the_reason_says_why_none_fits():
    verdict = judge("contains-json", SCHEMA, 'x {"b": 1} y {"a": "2"} z')
    assert verdict.reason == "no JSON in the reply fits the schema: 'a' is a required property"


@pytest.mark.parametrize("text", ["x {a: 1} y", "x {'a': 1} y"])
def test_promptfoo_takes_objects_as_javascript_writes_them(text):
    assert judge("contains-json", None, text, dialect="promptfoo").passed
    assert not judge("contains-json", None, "[1]", dialect="promptfoo").passed


def test_a_value_that_is_no_schema_is_refused():
    assert "the schema must be a mapping" in refusal("contains-json", [1])


@pytest.mark.parametrize(
    ("format_", "good", "bad"),
    [
        ("email", "ann@example.org", "ann@example"),
        ("uri", "https://a.b/c?d=e", "a b"),
        ("date-time", "2024-02-29T10:00:00Z", "2023-02-29T10:00:00Z"),
        ("time", "10:00:00+01:00", "25:00:00Z"),
        ("hostname", "example.org", "-a-.org"),
    ],
)
def test_formats_are_checked_without_further_packages(format_, good, bad):
    schema = {"type": "string", "format": format_}
    assert judge("is-json", schema, f'"{good}"').passed
    assert not judge("is-json", schema, f'"{bad}"').passed
