from __future__ import annotations

import json
import string
from collections.abc import Iterator

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_metaprompt.errors import SuiteFileError
from pytest_metaprompt.formats import marked
from pytest_metaprompt.formats.marked import Marked, read_marked
from pytest_metaprompt.formats.scalars import resolve


@pytest.fixture(params=["libyaml", "pure Python"])
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param == "libyaml" and not yaml.__with_libyaml__:
        pytest.skip("PyYAML was built without libyaml")
    monkeypatch.setattr(marked, "_LOADER", yaml.CSafeLoader if request.param == "libyaml" else yaml.SafeLoader)
    return request.param


def plain(text: str) -> object:
    document = read_marked(text, "f")
    assert document.problems == ()
    return document.root.plain()


def problems(text: str) -> list[str]:
    try:
        return [str(problem) for problem in read_marked(text, "f").problems]
    except SuiteFileError as error:
        return [str(problem) for problem in error.problems]


def is_text_in_both_yamls(text: str) -> bool:
    try:
        return resolve(text) == text
    except ValueError:
        return False


texts = st.text(st.characters(exclude_categories=["Cs"])) | st.text(string.printable)
json_like = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts.filter(is_text_in_both_yamls),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(texts.filter(lambda key: key != "<<"), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(json_like, st.booleans(), st.booleans())
@example({"a": "Yes", "b": ["on", {"<": "12:30"}]}, False, True)
def test_what_pyyaml_dumps_is_read_back(data: object, flow: bool, unicode: bool) -> None:
    dumped = yaml.safe_dump(data, default_flow_style=flow, allow_unicode=unicode)
    # PyYAML does not read back the line ends of other alphabets (U+0085, U+2028) that it writes unescaped.
    assert plain(dumped) == (yaml.load(dumped, Loader=marked._LOADER) if unicode else data)


@given(json_like)
def test_what_pyyaml_dumps_in_quotes_and_with_tags_is_read_back(data: object) -> None:
    assert plain(yaml.safe_dump(data, default_style='"')) == data


def fits_yaml(data: object) -> bool:
    """Whether JSON's form of the data is YAML: no escapes in two halves, no key over YAML's 1,024 characters."""
    keys = data if isinstance(data, dict) else ()
    inner = (*data.values(), *keys) if isinstance(data, dict) else data if isinstance(data, list) else ()
    short = isinstance(data, dict | list) or max(map(ord, json.dumps(data, ensure_ascii=False))) < 0x10000
    return short and all(len(json.dumps(key)) <= 1024 for key in keys) and all(map(fits_yaml, inner))


@given(json_like.filter(fits_yaml))
def test_json_is_yaml(data: object) -> None:
    assert plain(json.dumps(data)) == data


@pytest.mark.usefixtures("loader")
def test_every_value_and_key_knows_its_line() -> None:
    root = read_marked("# a note\na: 1\nb:\n  - x\n  -\n    c: |\n      long\n      text\n    'd': {e: 2}\n", "f").root
    assert root.line == 2
    assert root.key_lines == {"a": 2, "b": 3}
    first, second = root.mapping()["b"].items()
    assert (first.line, second.line) == (4, 6)
    assert second.key_lines == {"c": 6, "d": 9}
    assert second.mapping()["d"].mapping()["e"] == Marked(2, 9)


def test_an_alias_stands_where_its_anchor_is() -> None:
    root = read_marked("a: &x\n  - 1\nb: *x\n", "f").root
    assert root.mapping()["b"] is root.mapping()["a"]
    assert root.key_lines["b"] == 3


def test_an_anchor_on_a_key_can_be_repeated() -> None:
    assert plain("&k a: 1\nb: *k\n") == {"a": 1, "b": "a"}


@pytest.mark.usefixtures("loader")
def test_merge_keys_give_way_to_the_mapping_s_own_keys_and_to_earlier_merges() -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b\n  y: 2\n  z: 2\nc:\n  <<: [*a, *b]\n  x: 3\n"
    root = read_marked(text, "f").root
    assert root.mapping()["c"].plain() == {"x": 3, "y": 1, "z": 2}
    assert root.mapping()["c"].key_lines == {"x": 7, "y": 1, "z": 4}


def test_a_quoted_merge_key_is_a_plain_key() -> None:
    assert plain("'<<': 1") == {"<<": 1}


def test_a_merge_of_something_else_is_a_problem() -> None:
    assert problems("a: 1\n<<: [1]\n") == ["f:2: << must be followed by a mapping or a list of mappings"]


@pytest.mark.usefixtures("loader")
def test_a_duplicate_key_names_both_lines() -> None:
    assert problems("a: 1\nb: 2\n'a': 3\n") == ["f:3: the key 'a' is given twice, first on line 1"]


def test_several_slips_are_reported_together() -> None:
    text = "a: .inf\nb: !!binary aGk=\na: 3\nc: *d\n"
    assert problems(text) == [
        "f:1: .inf is not a number that JSON can hold (put it in quotes to make it a text)",
        "f:2: the tag !!binary does not fit here (leave it out: only plain values are read)",
        "f:3: the key 'a' is given twice, first on line 1",
        "f:4: the alias *d repeats nothing: there is no &d above (put a text that begins with * in quotes)",
    ]


def test_a_long_number_is_shown_by_its_beginning() -> None:
    (problem,) = problems("9" * 5000)
    assert problem.startswith(f"f:1: {'9' * 37}... is not a number")


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize("tag", ["!!python/object:os.system", "!own", "!!set", "!!omap"])
def test_a_tag_that_is_not_plain_is_a_problem(tag: str) -> None:
    hint = "(leave it out: only plain values are read)"
    assert problems(f"a: {tag} {{}}") == [f"f:1: the tag {tag} does not fit here {hint}"]


@pytest.mark.usefixtures("loader")
def test_plain_tags_are_taken() -> None:
    assert plain("a: !!map {b: !!seq [!!str 1, !!int '2', ! 3]}") == {"a": {"b": ["1", 2, "3"]}}


@pytest.mark.usefixtures("loader")
def test_an_unquoted_template_is_told_to_be_quoted() -> None:
    assert problems("id: {{ticket}}\n") == [
        "f:1: a key must be a text, not a mapping or a list "
        '(put a text that begins with a brace or bracket in quotes, such as "{{name}}")'
    ]


@pytest.mark.usefixtures("loader")
def test_an_alias_inside_what_it_repeats_is_refused() -> None:
    assert problems("a: &x\n  - *x\n") == ["f:2: the alias *x stands inside what it repeats, so there is no end to it"]


def test_an_alias_as_a_key_is_refused() -> None:
    hint = "(put a text that begins with * in quotes)"
    assert problems("a: &x b\n*x : 1\n") == [f"f:2: a key must be a text, not an alias {hint}"]


def test_aliases_that_multiply_are_refused() -> None:
    bomb = "a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    (problem,) = problems(bomb)
    assert problem.endswith("its aliases repeat too much (write the values out)")


@pytest.mark.usefixtures("loader")
def test_endless_nesting_is_refused() -> None:
    assert problems("[" * 100_000) == ["f:1: nested more than 100 levels deep"]


@pytest.mark.usefixtures("loader")
def test_a_second_document_is_refused() -> None:
    assert problems("a: 1\n---\nb: 2\n") == ["f:2: a second YAML document begins here (keep one document in a file)"]


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize("text", ["", "\n\n", "# only a note\n", "---\n", "~", "\ufeff"])
def test_an_empty_text_is_nothing(text: str) -> None:
    assert plain(text) is None


def test_a_byte_order_mark_is_skipped() -> None:
    assert plain("\ufeffa: 1") == {"a": 1}


@pytest.mark.skipif(not yaml.__with_libyaml__, reason="the sentences are libyaml's")
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "a:\n\t- x\n",
            "f:2: not valid YAML: while scanning for the next token, found character that cannot start any token "
            "(the line is indented with a tab: use spaces)",
        ),
        (
            "a: b: c\n",
            "f:1: not valid YAML: mapping values are not allowed in this context "
            "(check the indentation, and put a text that holds ': ' in quotes)",
        ),
        (
            "a: @x\n",
            "f:1: not valid YAML: while scanning for the next token, found character that cannot start any token "
            "(put a text that begins with a special character in quotes)",
        ),
        (
            "x: 1\na: [1,\nb: 3",
            "f:3: not valid YAML: while parsing a flow sequence that began on line 2, did not find expected ',' or ']'",
        ),
        (
            'a: "\\ud83d\\ude00"',
            "f:1: not valid YAML: while parsing a quoted scalar, found invalid Unicode character escape code "
            "(write the character itself: YAML has no escapes in two halves, as JSON has)",
        ),
        ("a: 1\nb: \x01\n", "f:2: not valid YAML: control characters are not allowed"),
    ],
)
def test_a_syntax_error_is_one_problem_with_its_line(text: str, problem: str) -> None:
    assert problems(text) == [problem]


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize("text", ["a: [1", "a: 'x", "- a\nb: c", "a:\n\tb: 1\n", "a: \x01", '"\\q"', "%"])
def test_no_syntax_error_escapes_either_parser(text: str) -> None:
    (problem,) = problems(text)
    assert problem.startswith("f:")
    assert "not valid YAML" in problem


def test_what_was_not_checked_first_is_our_bug() -> None:
    for read in (Marked("x", 3).mapping, Marked("x", 3).items, Marked(1, 3).text, Marked("x", 3).number):
        with pytest.raises(TypeError, match="line 3"):
            read()
