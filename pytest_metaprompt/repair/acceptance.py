"""The stages that a proposal must survive: screen, race, confirm, guard, hold-out.

Everything here works on the texts of routines and the keys of cases, and measures through a `Bench`, so that the same
code can be tried on models of flesh and on simulated ones. No stage knows who made a proposal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_metaprompt.repair.bench import Bench
from pytest_metaprompt.results import Count
from pytest_metaprompt.runner import each
from pytest_metaprompt.stats import binomial_tail

EXAMINED = 4
"""A passing case that fails once is examined with up to this many pairs of trials, one of each routine."""

LOST = 3
"""So many pairs must be lost before a case is called broken: 5 % for a coin flip that nothing changed."""

ALPHA = 0.05
"""The chance of an accident that a decision may rest on."""

_HEAT = 8

_ALWAYS_ON = 2
"""So many entrants of a race are never stopped for being behind."""


@dataclass(frozen=True, slots=True)
class Strictness:
    """`passes` in a row make a case fixed; `repeats` fresh trials of both routines confirm it."""

    passes: int
    repeats: int


EXACT = Strictness(passes=1, repeats=0)


def strictness(*, exact: bool, flaky: int, proposals: int) -> Strictness:
    """How many trials a claim needs: one where replies repeat, else enough that no flaky case is likely to look fixed.

    A coin-flip case passes k times by accident with chance 2^-k; after the fresh trials of both routines 4^-k is a
    fair bound, so k = ceil(log4(flaky * proposals / ALPHA)), at least 3.
    """
    if exact:
        return EXACT
    chances = max(flaky * proposals / ALPHA, 1.0)
    return Strictness(passes=max(3, math.ceil(math.log(chances, 4))), repeats=2)


async def screen(bench: Bench, current: str, failing: Sequence[str], *, passes: int) -> tuple[list[str], list[str]]:
    """The failing cases apart: those that fail every one of `passes` trials, and the flaky ones that passed once."""

    async def is_flaky(key: str) -> bool:
        while not any(bench.trials(current, key)) and len(bench.trials(current, key)) < passes:
            await bench.fresh(current, key)
        return any(bench.trials(current, key))

    flaky = await each(failing, is_flaky, limit=bench.limit)
    stable = [key for key, moves in zip(failing, flaky, strict=True) if not moves]
    return stable, [key for key, moves in zip(failing, flaky, strict=True) if moves]


@dataclass(frozen=True, slots=True)
class Entrant:
    """A text in the race. Cases in `own` are shown in it with their answers, so passing them proves nothing."""

    text: str
    own: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Standing:
    """How far an entrant came: what it seems to fix of so many cases `tried`, and which it has yet to try."""

    entrant: Entrant
    fixed: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    tried: int = 0

    @property
    def reach(self) -> tuple[float, int, int]:
        """What it can still become, to compare by: the largest share of fixes, then the shortest text, then the least
        to try. A share and not a number, because what a text shows with its answer is not tried."""
        most = (len(self.fixed) + len(self.left)) / max(1, self.tried + len(self.left))
        return most, -len(self.entrant.text), -len(self.left)


async def race(bench: Bench, entrants: Sequence[Entrant], failing: Sequence[str]) -> list[Standing]:
    """One trial of an entrant on each failing case, always of the one that can still become the best.

    Ends when the one with the best reach has tried every case: it stands first, and nobody else can win any more. Of
    many entrants only the better half goes on after each heat. The order of `failing` should alternate between the
    causes of failure.
    """
    standings = [
        Standing(entrant, left=tuple(key for key in failing if key not in entrant.own)) for entrant in entrants
    ]
    heats = dict.fromkeys(entrants, 0)
    running = list(entrants)
    while True:
        standings.sort(key=lambda one: (one.entrant in running, one.reach), reverse=True)
        first, *rest = standings
        if not first.left:
            return standings
        if _is_behind(first, [one for one in rest if one.entrant in running], heats):
            running.remove(first.entrant)
        else:
            standings = [await _run_on(bench, first, heat=_HEAT), *rest]
            heats[first.entrant] += 1


def _is_behind(standing: Standing, others: Sequence[Standing], heats: Mapping[Entrant, int]) -> bool:
    """Whether so many are ahead after as many heats that this one need not go on: half of all, a quarter, ..."""
    run = heats[standing.entrant]
    ahead = [one for one in others if (heats[one.entrant], len(one.fixed)) > (run, len(standing.fixed))]
    return run > 0 and len(ahead) >= max(_ALWAYS_ON, len(heats) >> run)


async def _run_on(bench: Bench, standing: Standing, *, heat: int) -> Standing:
    """The standing after trying so many more cases."""
    text, tried = standing.entrant.text, standing.left[:heat]
    passed = await each(tried, lambda key: bench.first(text, key), limit=bench.limit)
    won = [key for key, win in zip(tried, passed, strict=True) if win]
    return Standing(standing.entrant, (*standing.fixed, *won), standing.left[heat:], standing.tried + len(tried))


async def beside(bench: Bench, first: Standing, other: Standing) -> Standing:
    """The other one after trying what it has left of the cases that the first one does not fix."""
    open_cases = [key for key in other.left if key not in first.fixed]
    tried = await _run_on(bench, Standing(other.entrant, left=tuple(open_cases)), heat=len(open_cases))
    left = tuple(key for key in other.left if key in first.fixed)
    return Standing(other.entrant, (*other.fixed, *tried.fixed), left, other.tried + tried.tried)


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What of the claims held up."""

    fixed: tuple[str, ...]
    flaky: tuple[str, ...]


async def confirm(bench: Bench, current: str, candidate: str, claims: Sequence[str], strict: Strictness) -> Confirmed:
    """Ask again about every claimed fix: the candidate must pass each time, and the current routine must still fail."""

    async def holds(key: str) -> bool:
        for _ in range(strict.passes - 1 + strict.repeats):
            if not await bench.fresh(candidate, key):
                return False
        for _ in range(strict.repeats):
            if await bench.fresh(current, key):
                return False
        return True

    if bench.exact:
        return Confirmed(tuple(claims), ())
    held = await each(claims, holds, limit=bench.limit)
    fixed = tuple(key for key, true in zip(claims, held, strict=True) if true)
    return Confirmed(fixed, tuple(key for key in claims if any(bench.trials(current, key))))


async def guard(
    bench: Bench, current: str, candidate: str, passing: Sequence[str], *, allowed: int = 0
) -> tuple[str, ...]:
    """The cases that the candidate breaks; nothing more is asked when they are more than `allowed`."""
    broken: list[str] = []
    # Nothing is stopped half-way: what is asked, and so what is decided, must not depend on which reply comes first.
    size = bench.limit if allowed < len(passing) else max(1, len(passing))
    for start in range(0, len(passing), size):
        heat = passing[start : start + size]
        lost = await each(heat, lambda key: is_broken(bench, current, candidate, key), limit=bench.limit)
        broken.extend(key for key, gone in zip(heat, lost, strict=True) if gone)
        if len(broken) > allowed:
            break
    return tuple(broken)


async def is_broken(bench: Bench, current: str, candidate: str, key: str) -> bool:
    """Whether a case that passes under the current routine is lost: by one trial where replies repeat, else by most of
    `EXAMINED` pairs of fresh trials.

    The trials that led here are not counted: the case was chosen by them, so they lean to one side.
    """
    if await bench.first(candidate, key):
        return False
    if bench.exact:
        return True
    lost = 0
    for pair in range(1, EXAMINED + 1):
        # A pair is lost when the new routine fails where the old one passes.
        lost += not await bench.fresh(candidate, key) and await bench.fresh(current, key)
        if lost + EXAMINED - pair < LOST:
            return False
    return True


@dataclass(frozen=True, slots=True)
class HoldoutResult:
    """What the candidate does to the held-out cases."""

    fixed: tuple[str, ...]
    broken: tuple[str, ...]


async def hold_out(
    bench: Bench, current: str, candidate: str, keys: Sequence[str], strict: Strictness
) -> HoldoutResult:
    """Measure both routines on cases that nothing was learned from."""
    passing = [key for key in keys if bench.state(current, key) == "passing"]
    failing = [key for key in keys if bench.state(current, key) == "failing"]
    broken = await guard(bench, current, candidate, passing, allowed=len(passing))
    tried = await each(failing, lambda key: bench.first(candidate, key), limit=bench.limit)
    claims = [key for key, passed in zip(failing, tried, strict=True) if passed]
    confirmed = await confirm(bench, current, candidate, claims, strict)
    return HoldoutResult(confirmed.fixed, broken)


def veto(*, broken: Sequence[str], train: Count, held: Count) -> str | None:
    """Why the held-out cases forbid a candidate; None if they allow it.

    `train` and `held` count the cases that failed under the routine as it was, and those of them that are fixed.
    Nothing that passed may be lost. And the fixes must carry over: that so few held-out cases are fixed must be likely,
    at a chance of at least `ALPHA`, for a candidate that fixes as large a share there as it does in training.
    """
    if broken:
        return f"breaks held-out {', '.join(map(repr, broken))}"
    if not held.total or not train.total:
        return None
    share = train.passed / train.total if not held.passed else (train.passed + 1) / (train.total + 2)
    if binomial_tail(held.passed, held.total, share) < ALPHA:
        return f"does not generalise: fixes {train} of the training failures, but {held} of the held-out ones"
    return None
