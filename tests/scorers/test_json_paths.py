import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_metaprompt.scorers.json_paths import PathError, parse_pattern, show_path, without

steps = st.one_of(st.integers(min_value=0, max_value=99), st.text(max_size=6))


@given(st.lists(steps, min_size=1).map(tuple))
def test_a_path_that_is_shown_reads_back_as_the_same_path(path):
    assert parse_pattern(show_path(path)) == path


@pytest.mark.parametrize("text", ["", ".", ".a", "a.", "a..b", "a[", "a[]", "a]", 'a["b]', "a[-1]", "a[b]"])
def test_what_is_no_path_is_refused(text):
    with pytest.raises(PathError):
        parse_pattern(text)


@pytest.mark.parametrize(
    ("value", "text", "left"),
    [
        ({"a": 1, "b": 2}, "a", {"b": 2}),
        ({"a": {"b": 1, "c": 2}}, "a.b", {"a": {"c": 2}}),
        ([1, 2], "[0]", [None, 2]),
        ([], "[0]", [None]),
        ([{"a": 1}], "[*].a", [{}]),
        ([1, 2], "[*]", []),
        ({"a": {"x": 1}, "b": {"x": 2}}, "*.x", {"a": {}, "b": {}}),
        ({"a": 1}, "a.b", {"a": 1}),
        ({"a": 1}, "[0]", {"a": 1}),
        ({"0": 1}, "[0]", {"0": 1}),
    ],
)
def test_what_a_path_points_at_is_taken_out(value, text, left):
    assert without(value, parse_pattern(text)) == left
