"""Baselines as files, and as a test of what fell, with a simulator that knows the truth."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_metaprompt.baselines import (
    BASELINE_ATTEMPTS,
    EXAMINED_ATTEMPTS,
    Baseline,
    CaseRecord,
    SuiteRecord,
    case_digest,
    compare,
    is_worse,
    read_baseline,
    record_of,
    suspects,
    write_baseline,
)
from pytest_metaprompt.errors import MetapromptError, Place
from pytest_metaprompt.results import Attempt, CaseResult, Reply, Run, Verdict
from pytest_metaprompt.stats import fisher_p
from pytest_metaprompt.suites import Assertion, Case, ColumnTest, ModelSpec, RoutineRef, Simulation, Suite

COUNTS = st.integers(0, 6).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))


def result(case: Case, *passes: bool) -> CaseResult:
    attempts = [Attempt(case, reply=Reply("x"), verdicts=(Verdict("equals", ok, float(ok), ""),)) for ok in passes]
    return CaseResult(case, tuple(attempts), "passed" if all(passes) else "failed")


def run_of(*results: CaseResult, target: str = "small") -> Run:
    cases = tuple(one.case for one in results)
    return Run(Suite(Path("s"), RoutineRef(inline="x"), cases, ModelSpec("openai", target)), results)


def case(name: str, text: str = "x") -> Case:
    return Case(name, Place("s", 1), input=text)


@given(before=COUNTS, after=COUNTS)
def test_fishers_test_counts_the_ways_in_which_passes_can_fall(before: tuple[int, int], after: tuple[int, int]) -> None:
    total = before[1] + after[1]
    ways = list(combinations(range(total), before[0] + after[0]))
    extreme = sum(sum(place < before[1] for place in way) >= before[0] for way in ways)
    assert fisher_p(before, after) == pytest.approx(extreme / len(ways))


def test_a_steady_case_that_broke_is_worse_and_one_failure_alone_is_not() -> None:
    steady = CaseRecord(BASELINE_ATTEMPTS, BASELINE_ATTEMPTS, "")
    assert is_worse(steady, (0, EXAMINED_ATTEMPTS))
    assert not is_worse(steady, (1, EXAMINED_ATTEMPTS))
    assert not is_worse(steady, (0, 1))


def simulate(
    rates_before: Sequence[float], rates_now: Sequence[float], *, seed: int, repeat: int = 1, min_pass: int = 1
) -> list[int]:
    """The cases that are called worse: a baseline of its usual size, some attempts now, and suspects asked again."""
    chance = random.Random(seed)
    worse = []
    for at, (before, now) in enumerate(zip(rates_before, rates_now, strict=True)):
        then = [chance.random() < before for _ in range(repeat)]
        if sum(then) >= min_pass:
            then += [chance.random() < before for _ in range(BASELINE_ATTEMPTS - repeat)]
        seen = [chance.random() < now for _ in range(repeat)]
        while any(then) and not any(seen) and len(seen) < EXAMINED_ATTEMPTS:
            seen.append(chance.random() < now)
        if is_worse(CaseRecord(sum(then), len(then), ""), (sum(seen), len(seen))):
            worse.append(at)
    return worse


@pytest.mark.parametrize(("repeat", "min_pass"), [(1, 1), (3, 2), (5, 3), (10, 6)])
def test_an_unchanged_flaky_suite_raises_a_false_alarm_in_at_most_one_run_of_twenty(repeat: int, min_pass: int) -> None:
    alarms = 0
    for seed in range(2000):
        chance = random.Random(f"rates {seed}")
        rates = [1.0] * 35 + [0.0] * 5 + [chance.random() for _ in range(10)]
        alarms += bool(simulate(rates, rates, seed=seed, repeat=repeat, min_pass=min_pass))
    assert alarms / 2000 <= 0.05


def test_ten_coin_flips_raise_a_false_alarm_in_at_most_one_run_of_twenty() -> None:
    rates = [1.0] * 40 + [0.5] * 10
    assert sum(bool(simulate(rates, rates, seed=seed)) for seed in range(2000)) / 2000 <= 0.05


def test_a_case_that_fell_from_always_to_never_is_found_in_four_runs_of_five_at_least() -> None:
    before = [1.0] * 40 + [0.5] * 10
    now = [0.0, *before[1:]]
    assert sum(0 in simulate(before, now, seed=seed) for seed in range(300)) / 300 >= 0.8


def test_what_was_changed_came_or_went_is_named_and_not_compared() -> None:
    old = run_of(
        result(case("same"), True, True, True), result(case("edited"), True, True, True), result(case("gone"), True)
    )
    record = record_of(old, routine="old text", old=None)
    now = run_of(
        result(case("same"), *[False] * 5),
        result(case("edited", "y"), *[False] * 5),
        result(case("new"), False),
        target="big",
    )
    found = compare(now, record, routine="new text")
    assert (found.regressions, found.stale, found.new, found.gone) == (("same",), ("edited",), ("new",), ("gone",))
    assert found.notes == (
        "the target was changed since the baseline, which was made with openai:small",
        "the routine was changed since the baseline",
    )
    assert [one.case.id for one in suspects(now, record)] == ["same"]


@pytest.mark.parametrize(
    "changed",
    [
        {"simulation": Simulation(turns=("hello", "bye"))},
        {"assertions": (Assertion("equals", "a", weight=0.5),)},
        {"threshold": 0.5},
        {"column_test": ColumnTest(prefix="Please: ")},
    ],
)
def test_a_case_whose_conversation_weight_or_threshold_changed_is_stale(changed: dict[str, object]) -> None:
    one = replace(case("a"), assertions=(Assertion("equals", "a"),), simulation=Simulation(turns=("hello",)))
    record = record_of(run_of(result(one, True, True, True)), routine="x", old=None)
    assert compare(run_of(result(one, True)), record, routine="x").stale == ()
    assert compare(run_of(result(replace(one, **changed), *[False] * 5)), record, routine="x").stale == ("a",)


def test_what_every_promptfoo_test_has_is_no_part_of_its_digest() -> None:
    assert case_digest(replace(case("a"), column_test=ColumnTest(metadata={"a": 1}))) == case_digest(case("a"))


def test_changed_parameters_of_the_target_and_another_judge_are_named() -> None:
    then = run_of(result(case("a"), True))
    record = record_of(then, routine="x", old=None)
    other = [
        replace(then.suite, target=ModelSpec("openai", "small", {"temperature": 1})),
        replace(then.suite, judge=ModelSpec("openai", "judge")),
    ]
    told = [compare(replace(then, suite=suite), record, routine="x").notes for suite in (then.suite, *other)]
    note = "the target's parameters or the judge were changed since the baseline"
    assert told == [(), (note,), (note,)]
    older = read_baseline('{"version": 1, "suites": {"s": {"routine": "", "target": "", "cases": {}}}}', path="b.json")
    assert note not in compare(then, older.suites["s"], routine="x").notes


def test_what_has_no_answer_now_is_named_and_no_regression() -> None:
    record = record_of(run_of(result(case("a"), True, True, True)), routine="x", old=None)
    found = compare(run_of(replace(result(case("a"), False), outcome="error")), record, routine="x")
    assert (found.regressions, found.unjudged) == ((), ("a",))


def test_a_case_that_never_passed_and_does_now_is_better() -> None:
    record = record_of(run_of(result(case("a"), False)), routine="x", old=None)
    assert compare(run_of(result(case("a"), True)), record, routine="x").improvements == ("a",)


def test_what_ended_in_an_error_or_was_not_run_keeps_its_old_entry() -> None:
    full = run_of(result(case("a"), True), result(case("b"), True), result(case("c"), True))
    old = record_of(full, routine="x", old=None)
    broken = replace(result(case("a"), False), outcome="error")
    now = replace(full, results=(broken, result(case("b"), False)))
    cases = record_of(now, routine="x", old=old).cases
    assert {name: (entry.passed, entry.attempts) for name, entry in cases.items()} == {
        "a": (1, 1),
        "b": (0, 1),
        "c": (1, 1),
    }


records = st.builds(
    SuiteRecord,
    st.text(),
    st.text(),
    st.dictionaries(
        st.text(min_size=1),
        COUNTS.flatmap(lambda pair: st.builds(CaseRecord, st.just(pair[0]), st.just(pair[1]), st.text())),
        max_size=4,
    ),
    st.text(),
)


@given(st.dictionaries(st.text(min_size=1), records, max_size=3))
def test_what_is_written_is_read_back(suites: dict[str, SuiteRecord]) -> None:
    assert read_baseline(write_baseline(Baseline(suites)), path="b.json") == Baseline(suites)


def test_a_case_stands_on_a_line_of_its_own_in_sorted_order() -> None:
    record = record_of(run_of(result(case("b"), True), result(case("a"), False)), routine="x", old=None)
    digest = case_digest(case("a"))
    lines = write_baseline(Baseline({"s.metaprompt.yaml": record})).splitlines()
    assert lines[2:4] == [f' "a": [0, 1, "{digest}"],', f' "b": [1, 1, "{digest}"]']


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "this is no baseline"),
        ("[]", "this is no baseline"),
        ('{"version": 2, "suites": {}}', "its version is 2, not 1"),
        (
            '{"version": 1, "suites": {"s": {"routine": "", "target": "", "cases": {"a": [4, 3, ""]}}}}',
            "the case 'a' is not",
        ),
    ],
)
def test_another_file_is_refused_with_what_to_type(text: str, said: str) -> None:
    with pytest.raises(MetapromptError, match="--metaprompt-save-baseline") as caught:
        read_baseline(text, path="b.json")
    assert said in str(caught.value)
    assert str(caught.value).startswith("b.json: ")
