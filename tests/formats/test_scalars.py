from __future__ import annotations

import pytest

from pytest_metaprompt.formats.scalars import resolve, resolve_tagged, short_tag


@pytest.mark.parametrize(
    "text", ["Yes", "no", "on", "OFF", "y", "2024-01-31", "12:30:45", "1_000", "=", "0x", "1e", "."]
)
def test_what_only_yaml_1_1_takes_for_more_is_a_text(text: str) -> None:
    assert resolve(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("Null", None),
        ("TRUE", True),
        ("false", False),
        ("012", 12),
        ("-7", -7),
        ("0o17", 15),
        ("0xFf", 255),
        ("1.", 1.0),
        (".5", 0.5),
        ("-1.5e3", -1500.0),
        ("1e3", 1000.0),
    ],
)
def test_the_core_schema_gives_a_scalar_its_value(text: str, value: object) -> None:
    found = resolve(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("text", [".inf", "-.Inf", ".NaN", "1e999", "9" * 5000])
def test_a_number_that_json_cannot_hold_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        resolve(text)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [("str", "5", "5"), ("int", "5", 5), ("float", "5", 5.0), ("bool", "true", True), ("null", "", None)],
)
def test_a_core_tag_says_what_a_scalar_is(kind: str, text: str, value: object) -> None:
    found = resolve_tagged(f"tag:yaml.org,2002:{kind}", text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("kind", "text"), [("int", "five"), ("bool", "1"), ("timestamp", "2024-01-31"), ("binary", "aGk=")]
)
def test_a_tag_that_does_not_fit_is_refused(kind: str, text: str) -> None:
    with pytest.raises(LookupError):
        resolve_tagged(f"tag:yaml.org,2002:{kind}", text)


def test_a_tag_is_shown_as_users_write_it() -> None:
    assert short_tag("tag:yaml.org,2002:python/object:os.system") == "!!python/object:os.system"
