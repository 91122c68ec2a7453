from __future__ import annotations

import pytest

from pytest_metaprompt.suites import BudgetSettings, FixSettings, GateSettings

from .folder import CASE, HEAD, Folder


def test_a_suite_without_settings_has_the_defaults(folder: Folder) -> None:
    suite = folder.suite(HEAD + CASE)
    assert (suite.repeat, suite.min_pass, suite.gate, suite.fix) == (1, None, None, FixSettings())


ASK = "give it min_accuracy, min_score, max_errors or max_regressions"


def test_the_settings_are_read(folder: Folder) -> None:
    suite = folder.suite(
        "repeat: 3.0\nmin_pass: 2\n"
        "gate: {min_accuracy: 0.9, min_score: 1, max_errors: 0, confidence: 0.95}\n"
        "fix: {edit: [system, examples], holdout: 0, max_length: 900, budget: {calls: 6, tokens: 7, seconds: 0.5}}\n"
        + HEAD
        + CASE
    )
    assert (suite.repeat, type(suite.repeat), suite.min_pass) == (3, int, 2)
    assert suite.gate == GateSettings(min_accuracy=0.9, min_score=1, max_errors=0, confidence=0.95)
    budget = BudgetSettings(calls=6, tokens=7, seconds=0.5)
    assert suite.fix == FixSettings(edit=("system", "examples"), holdout=0, max_length=900, budget=budget)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("min_pass: 2", "1: min_pass must be at most repeat, which is 1, not 2 (add  repeat: 2  or more)"),
        ("min_pass: 4\nrepeat: 3", "1: min_pass must be at most repeat, which is 3, not 4 (raise repeat to 4 or more)"),
        ("gate: {}", f"1: the gate asks for nothing ({ASK})"),
        ("gate:\n  confidence: 0.95", f"1: the gate asks for nothing ({ASK})"),
        ("gate: {tags: {}}", f"1: the gate asks for nothing ({ASK})"),
        ("gate: {tags: {hard: {}}}", f"1: the gate of the tag 'hard' asks for nothing ({ASK})"),
        # The lower bound at less would lie above the accuracy itself.
        (
            "gate: {min_accuracy: 1, confidence: 0.4}",
            "1: confidence must be a number from 0.5 to below 1, not 0.4",
        ),
    ],
)
def test_settings_that_make_no_sense_together_are_told(folder: Folder, text: str, problem: str) -> None:
    assert folder.problems(f"{text}\n{HEAD}{CASE}") == [problem]
