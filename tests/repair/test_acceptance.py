"""The stages that need no simulator to be understood."""

from __future__ import annotations

import asyncio
from collections import Counter

from pytest_metaprompt.repair.acceptance import Entrant, Standing, race
from pytest_metaprompt.repair.bench import Bench

KEYS = [str(at) for at in range(24)]


def raced(good_for: dict[str, int]) -> tuple[list[Standing], Counter[str]]:
    """A race of texts that fix the first so many of every eight cases; and how often each was asked."""
    asked: Counter[str] = Counter()

    async def draw(text: str, key: str, sample: int) -> bool:
        asked[text] += 1
        return int(key) % 8 < good_for[text]

    return asyncio.run(race(Bench(draw, limit=4), [Entrant(text) for text in good_for], KEYS)), asked


def test_the_one_that_fixes_most_wins_and_half_of_many_are_left_behind_after_each_heat() -> None:
    standings, asked = raced({"a": 1, "b": 2, "c": 3, "d": 4, "e": 1, "f": 2, "g": 3, "h": 4})
    assert standings[0].entrant.text in "dh"
    assert len(standings[0].fixed) == 12
    assert Counter(asked.values()) == {8: 4, 16: 2, 24: 2}


def test_of_two_none_is_stopped_before_it_cannot_win_any_more() -> None:
    standings, asked = raced({"a": 3, "b": 4})
    assert standings[0].entrant.text == "b"
    assert asked == {"a": 24, "b": 24} or asked == {"a": 16, "b": 24}


def test_one_that_fixes_everything_is_not_compared_with_anybody() -> None:
    standings, asked = raced({"a": 8, "b": 1, "c": 1, "d": 1})
    assert standings[0].entrant.text == "a"
    assert asked["a"] == 24
    assert max(asked[text] for text in "bcd") <= 8


def test_what_a_text_shows_with_its_answer_is_not_held_against_it() -> None:
    """Twelve cases are shown, and all of the other twelve fixed; the other text fixes fifteen of all."""

    async def draw(text: str, key: str, sample: int) -> bool:
        return text == "shows half of them" or int(key) % 8 < 5

    entrants = [Entrant("shows half of them", frozenset(KEYS[:12])), Entrant("none")]
    standings = asyncio.run(race(Bench(draw, limit=4), entrants, KEYS))
    assert standings[0].entrant.text == "shows half of them"
