"""What nearly worked is put together, deterministically, and only where it goes together."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from pytest_metaprompt.repair.merging import merge_texts
from pytest_metaprompt.repair.proposers.merge import Merge
from pytest_metaprompt.results import NearMiss, Proposal, RepairState
from tests.repair.test_edits import seen

BASE = "# Rules\n\nBe brief. Be kind.\n\nRead the message with care."


def test_changes_in_different_places_go_together() -> None:
    one, other = BASE.replace("brief", "very brief"), BASE + "\nSay the number."
    assert merge_texts(BASE, one, other) == BASE.replace("brief", "very brief") + "\nSay the number."


def test_what_both_add_in_the_same_place_stands_there_one_after_the_other() -> None:
    assert merge_texts(BASE, BASE + "\nOne.", BASE + "\nTwo.") in (BASE + "\nOne.\nTwo.", BASE + "\nTwo.\nOne.")


def test_changes_of_the_same_words_do_not_go_together() -> None:
    assert merge_texts(BASE, BASE.replace("kind.", "nice."), BASE.replace("kind.", "fair.")) is None


def test_a_whole_new_text_is_no_change() -> None:
    assert merge_texts(BASE, "Something else altogether, in other words.", BASE + "\nOne.") is None


@given(st.text(), st.text())
def test_a_text_merged_with_itself_or_with_no_change_is_that_text(base: str, changed: str) -> None:
    assert merge_texts(base, changed, changed) in (changed, None)
    assert merge_texts(base, changed, base) in (changed, None)


def proposed(*misses: NearMiss, text: str = BASE) -> list[Proposal]:
    state = RepairState("r.md", text, "plain", frozenset({"system"}), (seen("x"),), (), near_misses=misses)
    return list(asyncio.run(Merge().propose(state)))


def miss(added: str, fixed: str, broken: str = "", base: str = BASE) -> NearMiss:
    return NearMiss("reflect", added, base, f"{base}\n{added}", frozenset(fixed.split()), frozenset(broken.split()))


def test_two_near_misses_that_fix_different_cases_are_put_together() -> None:
    # "a" is the case that fails now.
    assert proposed(miss("One.", "b"), miss("Two.", "c")) == [], "neither fixes what fails now"
    assert proposed(miss("One.", "a b"), miss("Two.", "a c")) == [], "both fix the same of what fails now"


def test_a_near_miss_is_brought_over_to_the_routine_as_it_is_now() -> None:
    now = BASE.replace("kind", "helpful")
    (found,) = proposed(miss("One.", "a"), text=now)
    assert found.text == now + "\nOne."
    assert found.proposer == "merge"


def test_near_misses_that_broke_more_than_they_fixed_are_left_alone() -> None:
    assert proposed(miss("One.", "a", broken="x y"), text=BASE.replace("kind", "helpful")) == []
