"""A text in YAML: whatever its style and the new value, it reads back, and nothing else changes."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_metaprompt.embedded.yaml_scalars import new_scalar, read_scalar, replace_scalar
from pytest_metaprompt.errors import RoutineError

# fmt: off
PIECES = st.sampled_from([
    "a", "rule", " ", "  ", "\n", "\n\n", "\t", ": ", ":", " #", "#", "- ", "'", '"', "\\", "{{x}}", "{", "]", ",",
    "&a", "*a", "!t", "|", ">", "%", "@", "`", "é", "漢", "🍌", "\u2028", "\x85", "\xa0", "\ufeff", "\x07", "yes", "12",
    "---",
])
# fmt: on
VALUES = st.lists(PIECES, min_size=1, max_size=12).map("".join) | st.just("long " * 400)
STYLES = ["plain", "'", '"', "|", "|-", "|+", ">", ">-", "|2-", "|-  # why"]
SHAPES = ["mapping", "list", "deep", "indentless", "flow", "flow-list"]


def written(value: str, style: str, indent: int) -> str:
    """The value in a style, where the style can hold it; else double-quoted."""
    lines = value.split("\n")
    fits = value == value.strip() and value.isprintable() and value
    if style == "plain" and fits and new_scalar(value, indent=0, in_flow=True) == value:
        return value
    if style == "'" and fits:
        return "'" + value.replace("'", "''") + "'"
    if style[0] in "|>" and all(line.isprintable() and line == line.strip() and line for line in lines):
        return style + "\n" + "\n".join(" " * indent + line for line in lines)
    return yaml.safe_dump(value, default_style='"', width=10_000, allow_unicode=True).strip()


def document(shape: str, style: str, value: str, after: str) -> tuple[str, tuple[Any, ...], Any]:
    """A YAML text with a text in it, the way to it, and its other values."""
    block = style if shape in ("mapping", "list", "deep", "indentless") else "'"
    match shape:
        case "mapping":
            return f"# c\n&m1 a: 1\nk: {written(value, block, 2)}{after}\nz: [1.0, yes]\n", ("k",), {"a": 1}
        case "list":
            return f"- x  # y\n- {written(value, block, 2)}{after}\n- z: |\n    keep\n\n", (1,), None
        case "deep":
            return (
                f"a:\n  - b: {written(value, block, 6)}{after}\n    c: é🍌\nd: *x\n".replace("*x", "2"),
                ("a", 0, "b"),
                0,
            )
        case "indentless":
            return f"a:\n- {written(value, block, 2)}{after}\n# note\n- b\n", ("a", 0), None
        case "flow":
            return f"r: {{inline: {written(value, block, 0)}, other: [x]}}\n", ("r", "inline"), None
        case _:
            return f"- [{written(value, block, 0)} , b]\n- c", (0, 0), None


def put(value: Any, keys: tuple[Any, ...], new: str) -> Any:
    if not keys:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[keys[0]] = put(value[keys[0]], keys[1:], new)
    return copy


@settings(max_examples=600, deadline=None)
@given(
    shape=st.sampled_from(SHAPES),
    style=st.sampled_from(STYLES),
    old=VALUES,
    new=VALUES,
    after=st.sampled_from(["", "\n", "\n\n\n", "\n# note"]),
    bom=st.sampled_from(["", "\ufeff"]),
)
def test_a_replaced_text_reads_back_and_nothing_else_changes(
    shape: str, style: str, old: str, new: str, after: str, bom: str
) -> None:
    text, keys, _ = document(shape, style, old, after)
    text = bom + text
    before = yaml.safe_load(text)
    held = read_scalar(text, keys)
    changed = replace_scalar(text, keys, new)
    assert yaml.safe_load(changed) == put(before, keys, new)
    assert read_scalar(changed, keys) == new
    assert replace_scalar(text, keys, held) == text
    # Outside of the text every byte stays: what stood before it, and what stood behind it.
    start = text.index(
        ":" if shape in ("mapping", "deep", "flow") else "-", text.index("k:") if shape == "mapping" else 0
    )
    assert changed[: start + 1] == text[: start + 1]
    tail = {"mapping": "\nz: [1.0, yes]\n", "list": "\n- z: |\n    keep\n\n", "deep": "\n    c: é🍌\nd: 2\n"}
    tail |= {"indentless": "\n# note\n- b\n", "flow": ", other: [x]}\n", "flow-list": " , b]\n- c"}
    assert changed.endswith(tail[shape])


@pytest.mark.parametrize(
    ("text", "new", "wanted"),
    [
        ("a: old # why\nb: 1\n", "new", "a: new # why\nb: 1\n"),
        ("a: old # why\n", "two\nlines", 'a: "two\\nlines" # why\n'),
        ("a: old\nb: 1\n", "two\nlines", "a: |-\n  two\n  lines\nb: 1\n"),
        ("a: old\nb: 1\n", "two\nlines\n", "a: |\n  two\n  lines\nb: 1\n"),
        ("a: old\n", "key: value", 'a: "key: value"\n'),
        ("a: old\n", 'say "x"', 'a: say "x"\n'),
        ("a: old\n", '"x": \\d', "a: '\"x\": \\d'\n"),
        ("a: old\n", "yes", 'a: "yes"\n'),
        ("a: old\n", "-", 'a: "-"\n'),
        ("a: 'old'\n", "it's", "a: 'it''s'\n"),
        ('a: "\\u00e9 old"\n', "é new", 'a: "\\u00e9 new"\n'),
        ("a: |\n    old\n\n\nb: 1\n", "one\n\ntwo\n", "a: |\n    one\n\n    two\n\n\nb: 1\n"),
        ("a: |-  # why\n  old\nb: 1\n", "  indented\nnew", "a: |2-  # why\n    indented\n  new\nb: 1\n"),
        ("a: |+\n  old\n\nb: 1\n", "new\n\n", "a: |+\n  new\n\nb: 1\n"),
        (
            "a: >\n  one two\n  three\n\n  four\nb: 1\n",
            "one two three\nfive\n",
            "a: >\n  one two\n  three\n\n  five\nb: 1\n",
        ),
        ("a: &x old\nb: 1\n", "new", "a: &x new\nb: 1\n"),
        ("a: !!str old\n", "new", "a: !!str new\n"),
        ("b: &x old\na: *x\n", "new", "b: &x old\na: new\n"),
        ("a:\n    plain text\n    on lines\nb: 1\n", "new", "a:\n    new\nb: 1\n"),
        ('{"a": "old", "b": 1}', "x\ny", '{"a": "x\\ny", "b": 1}'),
        ("a: old\r\nb: 1\r\n", "new", "a: new\r\nb: 1\r\n"),
    ],
)
def test_the_style_stays_where_the_value_allows_it(text: str, new: str, wanted: str) -> None:
    assert replace_scalar(text, ("a",), new) == wanted


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: &x old\nb: *x\n", "a is repeated elsewhere in the file, by an alias"),
        ("d: &d {a: old}\nc: *d\n<<: *d\n", "a is repeated elsewhere"),
        ("a: 12\n", "a must be a text"),
        ("a: [x]\n", "a must be a text"),
        ("b: x\n", "there is no a in it"),
        ("a: [\n", "not valid YAML"),
        ("a: *x\n", "repeats nothing"),
        ("[" * 200, "nested more than 100 levels deep"),
        ("", "the YAML is empty"),
    ],
)
def test_what_cannot_be_replaced_says_why(text: str, reason: str) -> None:
    with pytest.raises(RoutineError, match=reason.replace("*", r"\*")):
        replace_scalar(text, ("a",), "new")


@pytest.mark.parametrize(
    "value", ["-", "?", ":", "- x", "~", "null", "1e3", "=", "<<", "a:", "#", "2024-01-31", "x\ty"]
)
def test_what_yaml_takes_for_something_else_is_quoted(value: str) -> None:
    for text in (
        f"- k: {new_scalar(value, indent=4, in_flow=False)}\n",
        f"[{{k: {new_scalar(value, indent=0, in_flow=True)}}}]",
    ):
        assert yaml.safe_load(text) == [{"k": value}]


@given(value=VALUES.filter(lambda text: text.strip() == text != ""), in_flow=st.booleans())
def test_a_scalar_of_its_own_reads_back(value: str, in_flow: bool) -> None:
    written = new_scalar(value, indent=4, in_flow=in_flow)
    text = f"[{{k: {written}}}]" if in_flow else f"- k: {written}\n  z: 1\n"
    assert yaml.safe_load(text)[0]["k"] == value


def test_a_text_is_found_without_reading_on_behind_the_entry_that_holds_it() -> None:
    begun = 'other: &other {routine: no}\nroutine: {inline: "Say it."}\ncases: ['

    assert read_scalar(begun, ("routine", "inline")) == "Say it."
    with pytest.raises(RoutineError, match="not valid YAML"):
        read_scalar(begun, ("cases", 0))
