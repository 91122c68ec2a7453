"""Templates of Nunjucks: values print, compare and add up as in JavaScript, and nothing else can be reached."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_metaprompt.nunjucks import NunjucksError, names_unknown, render_leniently, render_nunjucks, shows_name

VALUES = {"name": "Ann", "n": 3, "yes": True, "nothing": None, "items": ["a", 1, None], "map": {"k": "v"}, "self": "me"}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ name }}", "Ann"),
        ("{{ yes }} {{ nothing }}|{{ missing.deep.er }}|", "true ||"),
        ("{{ items }} {{ map }}", "a,1, [object Object]"),
        ("{{ items.length }} {{ name.length }} {{ name[0] }}{{ name[-1] }}", "3 3 A"),
        ("{{ map | dump }} {{ [1.0, 2.5] | dump }}", '{"k":"v"} [1,2.5]'),
        ("{{ map | dump(2) }}", '{\n  "k": "v"\n}'),
        ("{{ n + '1' }} {{ n + 1 }} {{ n / 2 }} {{ 4 / 2 }} {{ 7 // 2 }} {{ 2 ** 3 }}", "31 4 1.5 2 3 8"),
        ("{{ n == '3' }} {{ n === '3' }} {{ n !== 3 }} {{ n != '3' }}", "true false false false"),
        ("{{ n > 2 and n <= 3 }} {{ 'b' > 'a' }} {{ missing < 1 }}", "true true false"),
        ("{% if [] %}T{% else %}F{% endif %}{% if {} %}T{% endif %}{% if '' %}F{% endif %}", "TT"),
        ("{% for k, v in map %}{{ k }}={{ v }}{% endfor %}{% for x in map %}!{% endfor %}", "k=v"),
        ("{% for x in items %}{{ loop.index }}{{ loop.last }} {% endfor %}", "1false 2false 3true "),
        ("{% for x in nothing %}!{% endfor %}{% for c in name %}{{ c }}-{% endfor %}", "A-n-n-"),
        ("{{ missing | default('D') }} {{ nothing | default('D') }}| {{ '' | default('D', true) }}", "D | D"),
        ("{{ name ~ n }} {{ 'k' in map }} {{ n in [1, 3] }} {{ 'x' not in 'abc' }}", "Ann3 true true true"),
        ("{{ 'a' if missing else 'b' }}{{ 1 if missing }}", "b"),
        ("{{ missing or 'd' }} {{ name and n }} {{ not '' }}", "d 3 true"),
        ("{{ '{\"a\": 5}' | load | dump }} {{ 'é' | urlencode }}", '{"a":5} %C3%A9'),
        ("{{ self }}", "me"),
        ("{% raw %}{{ name }}{% endraw %}{# gone #}", "{{ name }}"),
        ("a\r\n{{ name }}\r\n", "a\r\nAnn\r\n"),
        ("{{ [3, 1, 2] | sort }} {{ 'abc' | reverse }} {{ 3.14159 | round(2) }}", "1,2,3 cba 3.14"),
        ("{{ 'a b c'.split(' ') }} {{ name.toUpperCase() }} {{ items.join('-') }}", "a,b,c ANN a-1-"),
        ("{% macro hi(x) %}<{{ x }}>{% endmacro %}{{ hi(name) }}", "<Ann>"),
        ("{% set q = 5 %}{{ q + n }}", "8"),
    ],
)
def test_a_template_prints_what_it_prints_there(template: str, text: str) -> None:
    assert render_nunjucks(template, VALUES) == text


@pytest.mark.parametrize(
    "template",
    [
        "{{ name }",
        "{{{name}}}",
        "{{ x | tojson }}",
        "{{ x | nosuch }}",
        "{{ items.0 }}",
        "{{ 'it''s' }}",
        "{% include 'x' %}",
    ],
)
def test_what_nunjucks_has_not_is_an_error(template: str) -> None:
    with pytest.raises(NunjucksError, match="the template cannot be rendered"):
        render_nunjucks(template, VALUES)


@pytest.mark.parametrize(
    "template",
    [
        "{{ name.__class__ }}",
        "{{ items.append }}",
        "{{ map.keys }}",
        "{{ ''['__class__'] }}",
        "{{ range.__globals__ }}",
    ],
)
def test_no_template_reaches_python(template: str) -> None:
    assert render_nunjucks(template, VALUES) == ""


@pytest.mark.parametrize("text", ["a {{ b", "a {% b", "a {# c", "x }} y", "{{\nname }}"])
def test_unclosed_braces_are_no_template(text: str) -> None:
    assert render_leniently(text, VALUES) == text


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("{{ name }}", False),
        ("{{ other }}", True),
        ("{{ other | upper }}", True),
        ("{# {{ other }} #}", False),
        ("{{ env.HOME }}", False),
        ("{% for x in name %}{{ x }}{% endfor %}", False),
        ("{% for x in items %}{{ loop.last }}{% endfor %}", True),
        ("{{ name and other }}", False),
    ],
)
def test_a_text_that_asks_for_unknown_names_is_told_apart(text: str, unknown: bool) -> None:
    assert names_unknown(text, VALUES) is unknown


def test_a_name_is_found_in_code_only() -> None:
    assert shows_name("{% for turn in _conversation %}{% endfor %}", "_conversation")
    assert not shows_name("the _conversation", "_conversation")


@given(st.text())
def test_a_value_is_never_read_as_a_template(value: str) -> None:
    assert render_nunjucks("[{{ value }}]", {"value": value}) == f"[{value}]"


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_dump_gives_the_json_of_every_value(value: object) -> None:
    assert json.loads(render_nunjucks("{{ value | dump }}", {"value": value})) == value
