from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from pytest_metaprompt.scorers.pairing import pair

fittings = st.lists(st.lists(st.integers(0, 4), unique=True), max_size=5)


def _most(fitting):
    return max(
        sum(right in fits for right, fits in zip(order, fitting, strict=True))
        for order in permutations(range(5), len(fitting))
    )


@given(fittings)
def test_as_many_pairs_are_made_as_possible(fitting):
    assert len(pair(fitting)) == _most(fitting)


@given(fittings)
def test_each_place_is_used_once_and_fits(fitting):
    pairs = pair(fitting)
    assert len(set(pairs.values())) == len(pairs)
    assert all(right in fitting[left] for left, right in pairs.items())


def test_a_pair_is_moved_over_to_let_another_in():
    assert pair([[0, 1], [0]]) == {0: 1, 1: 0}


def test_a_long_chain_is_followed_without_recursion():
    chain = [[place, place + 1] for place in range(3000)] + [[0]]
    assert len(pair(chain)) == 3001
