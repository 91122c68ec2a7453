"""What is held out: a fair share, the same for the same seed, and never all that fails in one way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_metaprompt.repair.split import SMALLEST_SPLIT, split

CASES = {f"case {at}": at >= 10 for at in range(50)}
PAIRS = [(f"case {at}", f"case {at + 1}") for at in range(0, 10, 2)]


@given(st.integers())
def test_of_cases_that_fail_in_the_same_way_one_stays_to_be_learned_from(seed: int) -> None:
    sides = split(CASES, forced={}, share=0.25, seed=seed, siblings=PAIRS)
    held = [key for key in sides.holdout if not CASES[key]]
    assert len(held) == 3
    assert len({key for pair in PAIRS for key in pair if set(pair) & set(held)}) == 6, "three pairs, each with one held"


@given(st.integers(), st.permutations(list(CASES)))
def test_the_order_of_the_cases_does_not_matter(seed: int, order: list[str]) -> None:
    one = split(CASES, forced={}, share=0.25, seed=seed, siblings=PAIRS)
    other = split({key: CASES[key] for key in order}, forced={}, share=0.25, seed=seed, siblings=PAIRS)
    assert set(one.holdout) == set(other.holdout)


def test_where_every_failure_is_of_its_own_kind_some_are_held_out_all_the_same() -> None:
    sides = split(CASES, forced={}, share=0.25, seed=1, siblings=[(key,) for key in CASES if not CASES[key]])
    assert sum(not CASES[key] for key in sides.holdout) == 3


def test_a_quarter_is_held_out_and_every_case_is_on_one_side() -> None:
    sides = split(CASES, forced={}, share=0.25, seed=1, siblings=PAIRS)
    assert len(sides.holdout) == 12
    assert sorted((*sides.train, *sides.holdout)) == sorted(CASES)


def test_a_case_stays_where_it_was_put() -> None:
    for seed in range(20):
        sides = split(CASES, forced={"case 0": "train", "case 1": "holdout"}, share=0.25, seed=seed, siblings=PAIRS)
        assert "case 0" in sides.train
        assert "case 1" in sides.holdout


def test_few_cases_are_all_learned_from() -> None:
    few = dict(list(CASES.items())[: SMALLEST_SPLIT - 1])
    assert split(few, forced={}, share=0.25, seed=1).holdout == ()
