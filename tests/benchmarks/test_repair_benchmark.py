"""The benchmark measures what it says: the cap holds, the bed is as described, the page shows the results."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from benchmarks import peer_process, report
from benchmarks.bed import Candidate
from benchmarks.best_of import run_best_of
from benchmarks.counter import CapReachedError, Meter
from benchmarks.ours import ABLATIONS, run_ours
from benchmarks.world import BASE, CONTROLS, simulated
from pytest_metaprompt.repair.envelope import read_envelope

RESULTS = sorted(report.RESULTS.glob("*.json"))


def test_the_counter_gives_no_call_beyond_the_cap() -> None:
    bed = simulated("narrow", 0)
    meter = Meter(bed, cap=2)
    for question in bed.train[:2]:
        meter.ask(bed.base.messages(question.text))
    with pytest.raises(CapReachedError):
        meter.ask(bed.base.messages(bed.train[2].text))
    assert meter.target_calls == 2


@pytest.mark.parametrize("cap", [10, 51, 120])
@pytest.mark.parametrize("arm", [*ABLATIONS, "best-of-n"])
def test_no_arm_in_this_process_overruns_the_cap(arm: str, cap: int) -> None:
    meter = Meter(simulated("narrow", 3), cap)
    if arm == "best-of-n":
        run_best_of(meter, seed=3)
    else:
        run_ours(arm, meter, seed=3, demonstrations=False)
    assert meter.target_calls <= cap
    assert sum(meter.by_stage.values()) == meter.target_calls


def test_the_base_fails_one_case_in_five_and_the_right_rules_cure_them_all() -> None:
    bed = simulated("narrow", 1)
    cured = bed.truth(Candidate(f"{BASE} fix:0 fix:1 fix:2 fix:3 fix:4"))
    assert bed.truth(bed.base).sealed == pytest.approx(0.75)
    assert cured.sealed == pytest.approx(0.95)
    assert (cured.fixed, cured.broken, cured.solved) == (10, 0, True)


def test_the_referee_calls_a_harmful_rule_a_regression_and_a_pointless_one_useless() -> None:
    bed = simulated("narrow", 1)
    assert bed.truth(Candidate(f"{BASE} harm:7")).sealed_broken > 0
    pointless = bed.truth(Candidate(f"{BASE} noop:7"))
    assert pointless.useless
    assert not pointless.broken


def test_the_meta_model_answers_in_the_form_that_it_is_asked_for() -> None:
    bed = simulated("narrow", 1)
    seen = "wrong: symptom-3 (17)"
    envelope = read_envelope(bed.advise(f'answer {{"verdict": ..., "proposals": ...}} {seen}', 1, 2)[0])
    fenced = bed.advise(f"instructions:\n```\nBe brief.\n```\n{seen}", 1, 1)[0]
    fields = bed.advise(
        "[[ ## basic_instruction ## ]]\nBe brief.\n\nRespond with the corresponding output fields, starting with the "
        "field `[[ ## proposed_instruction ## ]]`, and then end with the marker for `[[ ## completed ## ]]`.",
        1,
        3,
    )
    assert len(envelope.patches) == 2
    assert fenced.startswith("```\nBe brief. ")
    assert [one.startswith("[[ ## proposed_instruction ## ]]\nBe brief. ") for one in fields] == [True] * 3


def test_without_a_symptom_in_sight_the_meta_model_can_only_guess() -> None:
    bed = simulated("narrow", 1)
    right = {seen: sum("fix:" in bed.advise(f"```\nx\n```{seen}", at, 1)[0] for at in range(400)) / 400
             for seen in ("", "wrong: symptom-2")}  # fmt: skip
    assert right[""] == pytest.approx(0.1, abs=0.05)
    assert right["wrong: symptom-2"] == pytest.approx(0.5, abs=0.08)


def test_a_peer_process_is_answered_until_it_is_done_and_stopped_at_the_cap() -> None:
    bed = simulated("exact", 1)
    meter = Meter(bed, cap=1)
    asked = {"ask": bed.base.messages(bed.train[0].text)}
    lines = [asked, {"holds": {"system": "better", "turns": [["q", "a"]]}}, {"advise": "x", "count": 2}, asked, asked]
    answers = io.StringIO()
    said = io.StringIO("".join(json.dumps(line) + "\n" for line in lines))
    assert peer_process._serve(meter, answers, said)
    replies = [json.loads(line) for line in answers.getvalue().splitlines()]
    assert replies[-1] == {"stopped": True}
    assert len(replies[2]["replies"]) == 2
    assert meter.in_hand == Candidate("better", (("q", "a"),))
    assert (meter.target_calls, meter.meta_calls) == (1, 1)


def test_a_peer_that_dies_is_not_taken_for_done() -> None:
    assert not peer_process._serve(Meter(simulated("exact", 1), 1), io.StringIO(), io.StringIO(""))


@pytest.mark.parametrize("name", CONTROLS)
def test_our_repair_leaves_a_control_alone(name: str) -> None:
    meter = Meter(simulated(name, 5), 800)
    run_ours("ours", meter, seed=5, demonstrations=False)
    assert meter.in_hand == meter.bed.base


def test_the_page_shows_what_the_results_say() -> None:
    page = report.PAGE.read_text(encoding="utf-8")
    assert report.filled(page, report.RESULTS) == page


def test_the_findings_on_the_page_hold() -> None:
    names = ("broad", "narrow", "exact", "optimal")
    broad, narrow, exact, optimal = (report.read(report.RESULTS / f"{name}.json") for name in names)
    repeating = {arm: sum(run["after"]["solved"] for run in runs) for arm, runs in exact.items()}
    exactly = {arm: sum(run["after"]["fixed"] for run in runs) for arm, runs in exact.items()}
    goals = list(report._goals(report.RESULTS))[2:]
    early = {arm: sum(report.sealed_by(run, 200) for run in runs) for arm, runs in broad.items()}
    solved = {arm: sum(run["after"]["solved"] for run in runs) for arm, runs in narrow.items()}
    breaks = {arm: sum(map(report.has_regression, runs)) for arm, runs in narrow.items()}
    calls = {arm: sum(run["target_calls"] for run in runs) for arm, runs in broad.items()}
    lucky = {arm: sum(run["written"] for run in runs) / len(runs) for arm, runs in optimal.items()}
    assert all(
        goal.endswith("yes |") or goal.startswith("| at most half of its target calls | narrow |") for goal in goals
    )
    assert exactly["gepa"] > exactly["ours"]
    assert max(solved.values()) == max(solved[arm] for arm in solved if arm.startswith("ours"))
    assert early["best-of-n"] > early["ours"]
    assert early["gepa-tuned"] > early["ours"]
    assert (
        solved["ours-twice"] > solved["ours-16-rounds"] > solved["ours"] > solved["ours-no-holdout"] > solved["ours-k1"]
    )
    assert repeating["ours-16-rounds"] > repeating["ours"] >= repeating["ours-no-holdout"]
    assert breaks["ours-no-guard"] > breaks["ours"]
    assert calls["ours-shows-all"] > 0.9 * calls["ours"]
    assert lucky["ours-no-confirm"] > lucky["ours"]


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_the_kept_results_have_enough_runs_and_none_beyond_the_cap(path: Path) -> None:
    arms = report.read(path)
    least = 10 if not path.stem.startswith("local") else 1
    assert all(len(runs) >= least for runs in arms.values())
    if least > 1:
        assert all(run["target_calls"] <= 800 for runs in arms.values() for run in runs)
