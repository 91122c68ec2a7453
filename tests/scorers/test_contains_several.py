import pytest

from .asking import judge, refusal


@pytest.mark.parametrize(
    ("type_", "value", "text", "passed"),
    [
        ("contains-any", ["x", "b"], "a b", True),
        ("contains-any", ["B"], "a b", False),
        ("icontains-any", ["B"], "a b", True),
        ("contains-all", ["a", "b"], "a b", True),
        ("contains-all", ["a", "c"], "a b", False),
        ("icontains-all", ["A", "B"], "a b", True),
        ("contains-all", "a, b", "b, then a", True),
        ("contains-any", '"p,q",z', "p,q", True),
        ("contains-any", '"p,q",z', "p and q", False),
        ("contains-all", [1, 2.0], "1 2", True),
    ],
)
def test_lists_and_texts_with_commas(type_, value, text, passed):
    assert judge(type_, value, text).passed is passed


def test_the_reason_names_what_is_missing():
    assert judge("contains-all", ["a", "x", "y"], "a b").reason == "the reply lacks 'x', 'y': 'a b'"
    assert "one of 'x', 'y', got 'a b'" in judge("contains-any", ["x", "y"], "a b").reason


@pytest.mark.parametrize("value", [[], "", ["a", ""], "a,,b", None, {"a": 1}, [["a"]]])
def test_a_list_that_every_or_no_reply_would_satisfy_is_refused(value):
    assert "value" in refusal("contains-all", value)
    assert "value" in refusal("contains-any", value)
