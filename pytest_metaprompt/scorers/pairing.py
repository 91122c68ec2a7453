"""Bring together what fits: as many pairs as possible, each side used once."""

from __future__ import annotations

from collections.abc import Sequence


def pair(fitting: Sequence[Sequence[int]]) -> dict[int, int]:
    """For as many left places as possible the right place it gets, where `fitting[left]` lists those that would do.

    Pairs already made are moved over where that lets one more in, so the number of pairs is the largest possible.
    """
    right_of: dict[int, int] = {}
    left_of: dict[int, int] = {}
    for left in range(len(fitting)):
        free, came_from = _search(left, fitting, left_of)
        while free is not None:
            mover = came_from[free]
            left_of[free], right_of[mover], free = mover, free, right_of.get(mover)
    return right_of


def _search(start: int, fitting: Sequence[Sequence[int]], left_of: dict[int, int]) -> tuple[int | None, dict[int, int]]:
    """A free right place, if one can be reached through those taken, and which left place led to each."""
    came_from: dict[int, int] = {}
    waiting = [start]
    for left in waiting:
        for right in fitting[left]:
            if right in came_from:
                continue
            came_from[right] = left
            if right not in left_of:
                return right, came_from
            waiting.append(left_of[right])
    return None, came_from
