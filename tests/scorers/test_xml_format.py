import pytest

from .asking import judge, refusal


@pytest.mark.parametrize(
    ("text", "passed"),
    [
        ("<a><b>1</b></a>", True),
        ('\n<?xml version="1.0" encoding="latin-1"?><a x="é"/>\n', True),
        ("<x:a/>", True),
        ("<a><b></a>", False),
        ("text <a/>", False),
        ("<a/><b/>", False),
        ("<a>&nbsp;</a>", False),
        ("", False),
    ],
)
def test_the_whole_reply_is_one_element(text, passed):
    assert judge("is-xml", None, text).passed is passed


def test_the_reason_says_where_it_breaks():
    assert "mismatched tag at line 2" in judge("is-xml", None, "<a>\n<b></a>").reason


def test_required_elements_are_named_by_their_path_from_the_root():
    text = "<a><b>1</b><c/></a>"
    for value in ("a.b, a.c", ["a.b", "a.c"], {"requiredElements": ["a.b"]}):
        assert judge("is-xml", value, text).passed
    assert judge("is-xml", ["a.b", "b", "a.d"], text).reason == "the XML lacks b, a.d"


def test_entities_are_not_expanded():
    bomb = '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;">]><a>&y;</a>'
    assert "it declares entities" in judge("is-xml", None, bomb).reason


@pytest.mark.parametrize(
    ("value", "text", "passed"),
    [
        (None, "see <a>1</a> ok", True),
        (None, "see <a>1 ok", False),
        (None, "a < b and c > d", False),
        (None, "<p>open, then é <b>x</b>", True),
        ("a.b", "first <c/>, then <a><b/></a>", True),
        ("a.c", "first <c/>, then <a><b/></a>", False),
        ("b", "<a><b/></a>", False),
    ],
)
def test_an_element_anywhere_in_the_reply(value, text, passed):
    assert judge("contains-xml", value, text).passed is passed


@pytest.mark.parametrize("value", [{}, {"required": ["a"]}, 3, [], [{}]])
def test_a_value_that_is_no_list_of_paths_is_refused(value):
    assert "is-xml: value" in refusal("is-xml", value)
