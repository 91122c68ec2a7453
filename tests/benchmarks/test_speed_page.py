"""The page on speed shows what was measured."""

from __future__ import annotations

import json

from benchmarks import speed_page


def test_the_page_shows_what_the_results_say() -> None:
    page = speed_page.PAGE.read_text(encoding="utf-8")
    assert page.count("<!-- figures: ") == 3
    assert speed_page.filled(page, json.loads(speed_page.RESULTS.read_text(encoding="utf-8"))) == page


def test_every_run_that_counts_asked_once_for_each_case() -> None:
    report = json.loads(speed_page.RESULTS.read_text(encoding="utf-8"))
    for run in report["runs"]:
        assert run["ok"], run["tool"]
        assert run["calls"] == run["cases"] == report["settings"]["cases"]
