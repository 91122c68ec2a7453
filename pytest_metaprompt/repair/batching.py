"""Which cases the meta model is shown, and how much of each, so that a request fits into its context."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pytest_metaprompt.repair.clusters import Cluster
from pytest_metaprompt.repair.likeness import likeness, words_of_case
from pytest_metaprompt.repair.observed import observed
from pytest_metaprompt.results import Observation
from pytest_metaprompt.suites import Json

ANCHORS = (4, 8)
"""So few and so many passing cases are shown, where there are as many."""

_IDS = 50
_STEPS = ((3, 1200), (3, 600), (2, 600), (2, 300), (1, 300), (1, 120))
"""How many representatives of a cluster are shown, and how many characters of a text: the first that fits is taken."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The failing and passing cases of a request as JSON, and in words what is not in it."""

    failing: list[Json]
    passing: list[Json]
    left_out: str


def tokens_of(value: Json) -> int:
    """About how many tokens a value takes as escaped JSON, rather too many than too few: one for three characters, and
    four for an escape such as `\\u4e2d`."""
    text = json.dumps(value, ensure_ascii=True, indent=1)
    return len(text) // 3 + 2 * text.count("\\u") + 1


def make_batch(clusters: Sequence[Cluster], passing: Sequence[Observation], *, room: int) -> Batch | None:
    """The most that fits into `room` tokens; None if not even one failing case does.

    A quarter of the room at most is for the passing cases, which are the ones most like the failing ones shown.
    """
    for shown, limit in _STEPS:
        failing = [_entry(one, shown=shown, limit=limit) for one in clusters]
        if tokens_of(failing) <= room * 3 // 4:
            break
    else:
        failing = _largest(clusters, room=room * 3 // 4)
        if not failing:
            return None
    anchors = _anchors(clusters[: len(failing)], passing, room=room - tokens_of(failing))
    return Batch(failing, anchors, _left_out(clusters, len(failing), shown))


def _largest(clusters: Sequence[Cluster], *, room: int) -> list[Json]:
    """One short representative of as many clusters as fit, the largest first."""
    entries: list[Json] = []
    for one in clusters:
        entry = _entry(one, shown=1, limit=_STEPS[-1][1])
        room -= tokens_of(entry)
        if room < 0:
            break
        entries.append(entry)
    return entries


def _entry(one: Cluster, *, shown: int, limit: int) -> Json:
    examples = [observed(member, limit=limit) for member in one.members[:shown]]
    ids: list[Json] = [member.subject.key for member in one.members[: _IDS if limit > 300 else 10]]
    return {"cause": one.cause[:limit], "count": len(one.members), "ids": ids, "examples": examples}


def _left_out(clusters: Sequence[Cluster], kinds: int, shown: int) -> str:
    total = sum(len(one.members) for one in clusters)
    seen = sum(min(shown, len(one.members)) for one in clusters[:kinds])
    if seen == total:
        return ""
    note = f"{total - seen} of {total} failing cases are not shown; every count includes them"
    missing = clusters[kinds:]
    if missing:
        cases = sum(len(one.members) for one in missing)
        note += f". {len(missing)} of {len(clusters)} kinds of failure ({cases} cases) are not shown at all"
    return note


def _anchors(clusters: Sequence[Cluster], passing: Sequence[Observation], *, room: int) -> list[Json]:
    """Passing cases near the failing ones, as many as `ANCHORS` says and the room allows, shorter where it is small."""
    chosen = nearest([one.members[0] for one in clusters], passing, most=ANCHORS[1])
    for limit in (1200, 600, 300, 120):
        shown = [observed(one, limit=limit) for one in chosen]
        if tokens_of(shown) <= room:
            return shown
    fitting: list[Json] = []
    for one in chosen:
        entry = observed(one, limit=_STEPS[-1][1])
        room -= tokens_of(entry)
        if room < 0:
            break
        fitting.append(entry)
    return fitting


def nearest(failing: Sequence[Observation], passing: Sequence[Observation], *, most: int) -> list[Observation]:
    """Passing cases in turn for each failing one: the one most like it in its words, of those not chosen yet."""
    words = {one.subject.key: words_of_case(one.subject.case) for one in (*failing, *passing)}
    left, chosen = list(passing), list[Observation]()

    def by_likeness(to: Observation) -> Callable[[Observation], float]:
        return lambda one: likeness(words[one.subject.key], words[to.subject.key])

    while left and failing and len(chosen) < most:
        for one in failing:
            if not left or len(chosen) >= most:
                break
            best = max(left, key=by_likeness(one))
            left.remove(best)
            chosen.append(best)
    return chosen
