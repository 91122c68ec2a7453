from hypothesis import given
from hypothesis import strategies as st

from pytest_metaprompt.scorers.json_differences import differences
from pytest_metaprompt.scorers.json_values import Rules, same

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2),
    st.sampled_from([0.0, 1.0, 1.05, 0.1 + 0.2, 10**400]),
    st.sampled_from("ab1"),
)
keys = st.sampled_from(["a", "b", "__a", "a.b", "", "x\n"])
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=8
)
rules = st.builds(Rules, tolerance=st.sampled_from([0.0, 0.1]), any_order=st.booleans())


@given(values, values, rules)
def test_there_are_differences_exactly_where_the_values_are_not_the_same(expected, actual, rules):
    assert bool(differences(expected, actual, rules)) is not same(expected, actual, rules)


@given(values)
def test_a_value_has_no_differences_to_itself(value):
    assert differences(value, value) == ()


@given(values, values)
def test_each_difference_is_where_it_says(expected, actual):
    for difference in differences(expected, actual):
        for side, found in ((expected, difference.expected), (actual, difference.actual)):
            assert found == _at(side, difference.path) or str(difference).endswith(("missing", "not expected"))


def _at(value, path):
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError):
            return None
    return value


def test_places_in_a_list_are_in_the_order_of_their_numbers():
    found = differences(list(range(12)), [*range(2), -1, *range(3, 10), -1, 11])
    assert [str(difference) for difference in found] == ["[2]: expected 2, got -1", "[10]: expected 10, got -1"]


def test_a_number_that_is_the_same_by_value_is_not_named_beside_one_that_differs():
    found = differences({"a": 198, "b": 1.0, "c": 1}, {"a": 198.0, "b": 1.05, "c": 2}, Rules(tolerance=0.1))
    assert [str(difference) for difference in found] == ["c: expected 1, got 2"]


def test_a_difference_of_the_whole_value_has_no_path():
    assert [str(difference) for difference in differences({}, [])] == ["expected {}, got []"]
