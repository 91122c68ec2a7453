"""Intervals, comparisons and gates. Pure functions over counts and runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Literal

from pytest_metaprompt.results import CaseResult, GateResult, Run
from pytest_metaprompt.suites import GateSettings

Stability = Literal["passing", "failing", "flaky"]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """A share with its interval, all in 0..1."""

    passed: int
    total: int
    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.passed}/{self.total} = {self.value:.2f} ({self.low:.2f}-{self.high:.2f})"


def accuracy(passed: int, total: int, *, confidence: float = 0.95) -> Accuracy:
    """The share with its Wilson score interval (E. B. Wilson, JASA 22 (1927) 209); nothing of nothing is 0 in 0..1."""
    if total == 0:
        return Accuracy(0, 0, 0.0, 0.0, 1.0)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = passed / total
    centre = share + z * z / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    low, high = (centre - spread) / scale, (centre + spread) / scale
    # At the ends the formula gives 0 and 1 but for rounding.
    return Accuracy(passed, total, share, 0.0 if passed == 0 else low, 1.0 if passed == total else high)


def counts(result: CaseResult) -> tuple[int, int]:
    """How many of a case's attempts passed, and how many gave a valid answer."""
    valid = [attempt for attempt in result.attempts if attempt.error is None and attempt.skipped is None]
    return sum(attempt.passed for attempt in valid), len(valid)


def case_rate(result: CaseResult) -> Accuracy:
    """The share of a case's attempts that passed, of those that were answered, with its interval."""
    return accuracy(*counts(result))


def stability(result: CaseResult) -> Stability | None:
    """Whether all, none or some of the answered attempts passed; None where none was answered."""
    passed, total = counts(result)
    if total == 0:
        return None
    return "passing" if passed == total else "flaky" if passed else "failing"


def mcnemar_p(fixed: int, broken: int) -> float:
    """The two-sided exact p-value of McNemar's test: how likely so uneven a split is if nothing really changed."""
    total = fixed + broken
    return min(1.0, 2 * binomial_tail(min(fixed, broken), total, 0.5))


def binomial_tail(successes: int, trials: int, rate: float) -> float:
    """The chance of at most so many successes."""
    return sum(math.comb(trials, i) * rate**i * (1 - rate) ** (trials - i) for i in range(min(successes, trials) + 1))


def fisher_p(before: tuple[int, int], after: tuple[int, int]) -> float:
    """The one-sided exact p-value of Fisher's test, each side as (passed, attempts): how likely the passes are to fall
    so much to the side before if both have the same rate (R. A. Fisher, Statistical Methods for Research Workers, 5th
    ed., 1934).
    """
    passed, attempts = before[0] + after[0], before[1] + after[1]
    most = min(passed, before[1])
    ways = sum(math.comb(before[1], k) * math.comb(after[1], passed - k) for k in range(before[0], most + 1))
    return ways / math.comb(attempts, passed)


def run_accuracy(run: Run, *, confidence: float = 0.95) -> Accuracy:
    """The share of cases that passed; errors count as not passed, skipped cases not at all."""
    return accuracy(run.passed, run.judged, confidence=confidence)


def judge_gate(settings: GateSettings, run: Run, *, regressed: Sequence[str] | None = None) -> GateResult:
    """Whether the run reaches what the gate asks, with a line for each thing that was compared.

    `regressed` names the cases that are worse than in the baseline; None is for no baseline, and then a gate that asks
    about regressions is not reached. An error counts as a regression where the gate has no `max_errors`.
    """
    # What was not reached comes first: a summary has room for the beginning alone.
    checks = sorted(_checks(settings, run, regressed), key=lambda check: check[0])
    return GateResult(run.suite, all(passed for passed, _ in checks), tuple(reason for _, reason in checks))


def _checks(settings: GateSettings, run: Run, regressed: Sequence[str] | None) -> Iterator[tuple[bool, str]]:
    found = (
        _accuracy_check(settings, run),
        _score_check(settings, run),
        _error_check(settings, run),
        _regression_check(settings, run, regressed),
    )
    yield from (check for check in found if check)
    for tag, wanted in settings.tags.items():
        results = tuple(result for result in run.results if tag in result.case.tags)
        if not results:
            yield False, f"tag {tag!r}: no case has it"
            continue
        ids = {result.case.id for result in results}
        known = None if regressed is None else [case_id for case_id in regressed if case_id in ids]
        for passed, reason in _checks(wanted, replace(run, results=results), known):
            yield passed, f"tag {tag!r}: {reason}"


def _regression_check(settings: GateSettings, run: Run, regressed: Sequence[str] | None) -> tuple[bool, str] | None:
    if settings.max_regressions is None:
        return None
    if regressed is None:
        hint = "pass --metaprompt-baseline=FILE, with an entry for this suite (--metaprompt-save-baseline)"
        return False, f"max_regressions has nothing to compare with: {hint}"
    # What a case without an answer would have done is not known; a gate that allows errors says how many.
    errors = _errors(run) if settings.max_errors is None else 0
    passed = len(regressed) + errors <= settings.max_regressions
    names = f" ({', '.join(regressed)})" if regressed else ""
    beside = f" and errors {errors}" if errors else ""
    least = "at most" if passed else "more than"
    return passed, f"regressions {len(regressed)}{names}{beside}, {least} {settings.max_regressions}"


def _accuracy_check(settings: GateSettings, run: Run) -> tuple[bool, str] | None:
    if settings.min_accuracy is None:
        return None
    if settings.confidence is None:
        found = run_accuracy(run)
        return _at_least("accuracy", found.value, settings.min_accuracy, f"{found}")
    # The lower bound alone is used, so the whole error goes to its side.
    found = run_accuracy(run, confidence=2 * settings.confidence - 1)
    label = f"accuracy, lower bound at {settings.confidence:g} confidence,"
    return _at_least(label, found.low, settings.min_accuracy, f"{found.low:.3f} from {found.passed}/{found.total}")


def _score_check(settings: GateSettings, run: Run) -> tuple[bool, str] | None:
    if settings.min_score is None:
        return None
    scores = [result.score for result in run.results if result.outcome != "skipped"]
    mean = sum(scores) / len(scores) if scores else 0.0
    return _at_least("mean score", mean, settings.min_score, f"{mean:.3f} of {len(scores)} cases")


def _error_check(settings: GateSettings, run: Run) -> tuple[bool, str] | None:
    if settings.max_errors is None:
        return None
    errors = _errors(run)
    passed = errors <= settings.max_errors
    return passed, f"errors {errors}, {'at most' if passed else 'more than'} {settings.max_errors}"


def _errors(run: Run) -> int:
    return sum(result.outcome == "error" for result in run.results)


def _at_least(name: str, value: float, least: float, shown: str) -> tuple[bool, str]:
    # A share such as 27/30 must reach 0.9 although neither is exact in binary.
    passed = value >= least - 1e-9
    return passed, f"{name} {shown}, {'at least' if passed else 'less than'} {least:g}"
