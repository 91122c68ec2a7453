"""The results that promptfoo itself gave, for every config of the probes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
DATA = ROOT.parent / "shared" / "data" / "promptfoo"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the recorded results of promptfoo are not here")


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Any:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import compatibility
    finally:
        sys.path.pop(0)
    return compatibility.compare_all(DATA, tmp_path_factory.mktemp("compatibility")), compatibility


def test_every_result_is_promptfoos_or_differs_for_a_reason_that_is_told(compared: Any) -> None:
    found, _ = compared
    unexplained = [one for config in found for one in config.differences if one.reason is None]
    assert unexplained == []
    assert sum(config.results for config in found) == 987


def test_no_reason_is_given_for_nothing(compared: Any) -> None:
    found, module = compared
    given = {one.reason for config in found for one in config.differences}
    assert {reason.why for reason in module.REASONS} == given


def test_only_judged_results_and_plain_bugs_differ(compared: Any) -> None:
    found, _ = compared
    judged = sum("judged with prompts" in str(one.reason) for config in found for one in config.differences)
    agreeing = sum(config.agreeing for config in found)
    assert agreeing + judged >= 937
    assert judged == sum(one.what.startswith("judged") for config in found for one in config.differences)


def test_the_table_is_in_the_docs(compared: Any) -> None:
    found, module = compared
    page = (ROOT / "docs" / "promptfoo.md").read_text(encoding="utf-8")
    assert module.table(found) in page
