import pytest

from .asking import judge


@pytest.mark.parametrize(
    ("text", "passed"),
    [
        ("<p>hi</p>", True),
        ("<!DOCTYPE html><html><body>hi</body></html>", True),
        ("<ul><li>one<li>two</ul>", True),
        ("<p>a<br>b</p>\n<img src=x>", True),
        ("<my-card>x</my-card>", True),
        ("hi <b>x</b>", False),
        ("<p>x</p> bye", False),
        ("<nonsense>x</nonsense>", False),
        ("<?xml version='1.0'?><p/>", False),
        ("plain", False),
        ("", False),
    ],
)
def test_html_is_elements_and_nothing_around_them(text, passed):
    assert judge("is-html", None, text).passed is passed


@pytest.mark.parametrize(
    ("text", "passed"),
    [("hi <b>x</b>", True), ("a < b and c > d", False), ("use <example> here", False), ("line<br/>line", True)],
)
def test_an_element_anywhere(text, passed):
    assert judge("contains-html", None, text).passed is passed


def test_the_text_outside_is_shown():
    assert judge("is-html", None, "<p>x</p> bye").reason == "there is text outside the HTML elements: 'bye'"
