"""The HTML report, opened in Chromium where it is installed."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_metaprompt.reports.html_report import PastRun, as_html
from tests.reports.reports import BASELINE, sample_report

CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


def open_report(browser: Any, html: str, folder: Path, **settings: Any) -> Any:
    path = folder / "report.html"
    path.write_text(html, encoding="utf-8")
    page = browser.new_context(**settings).new_page()
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("request", lambda request: request.url.startswith("file:") or page.complaints.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_selector(".case")
    return page


def names(page: Any) -> list[str]:
    return page.locator(".case .name > span:first-child").all_inner_texts()


def test_failing_cases_are_shown_first_and_filters_and_search_find_the_others(browser: Any, tmp_path: Path) -> None:
    page = open_report(browser, as_html(sample_report()), tmp_path)
    assert names(page) == ["case-1", "case-3", "case-5", "case-7"]
    page.select_option("#outcome", "error")
    assert names(page) == ["case-3", "case-7"]
    page.select_option("#outcome", "")
    assert page.locator("#count").inner_text() == "8 of 8 cases"
    page.fill("#search", "message case-6")
    assert names(page) == ["case-6"]
    page.fill("#search", "")
    page.select_option("#tag", "returns")
    assert names(page) == ["case-1"]
    assert page.complaints == []


def test_flaky_cases_are_marked_with_their_rate_and_can_be_filtered(browser: Any, tmp_path: Path) -> None:
    page = open_report(browser, as_html(sample_report()), tmp_path)
    page.select_option("#outcome", "flaky")
    assert names(page) == ["case-1", "case-5"]
    assert page.locator(".case .tag.flaky").all_inner_texts() == ["flaky 1/2", "flaky 1/2"]
    page.get_by_role("button", name="case-1").click()
    assert "1 of 2 answered attempts passed: 0.50 (95 %: 0.09-0.91)" in page.locator(".details").inner_text()


def test_an_attempt_that_reached_its_threshold_is_marked_as_passed(browser: Any, tmp_path: Path) -> None:
    report = sample_report()
    attempt = report["suites"][0]["cases"][1]["attempts"][1]
    attempt["passed"] = True
    page = open_report(browser, as_html(report), tmp_path)
    assert page.locator(".case .attempts").first.inner_text().split() == ["✓", "✓"]


def test_what_changed_against_the_baseline_is_named_and_marked(browser: Any, tmp_path: Path) -> None:
    report = sample_report()
    report["suites"][0]["baseline"] = BASELINE
    page = open_report(browser, as_html(report), tmp_path)
    text = page.locator(".changes").inner_text()
    assert "worse than in the baseline: 1: case-1" in text
    assert "changed since the baseline, so not compared: 1: case-5" in text
    assert "the routine | was changed since the baseline" in text
    assert page.locator(".case", has_text="case-1").locator(".tag").all_inner_texts() == [
        "flaky 1/2", "repaired", "worse", "returns"
    ]  # fmt: skip


def test_the_checks_of_a_set_are_shown_below_it(browser: Any, tmp_path: Path) -> None:
    report = sample_report()
    verdict = report["suites"][0]["cases"][1]["attempts"][1]["verdicts"][0]
    verdict["children"] = [{**verdict, "type": "contains", "reason": "does not contain 'ORD'"}]
    page = open_report(browser, as_html(report), tmp_path)
    page.get_by_role("button", name="case-1").click()
    assert "contains (Order): does not contain 'ORD'" in page.locator(".verdict .verdict").inner_text()


def test_json_that_is_wanted_as_a_text_is_compared_as_json(browser: Any, tmp_path: Path) -> None:
    report = sample_report()
    report["suites"][0]["cases"][1]["attempts"][1]["verdicts"][0]["value"] = '{"order": 1, "lines": [1, 2]}'
    page = open_report(browser, as_html(report), tmp_path)
    page.get_by_role("button", name="case-1").click()
    assert page.locator(".lines .del").all_inner_texts()[-1] == '- "order": 1,'


@pytest.mark.parametrize("width", [390, 1280])
def test_both_sides_of_a_change_are_in_the_window(browser: Any, tmp_path: Path, width: int) -> None:
    window = {"width": width, "height": 800}
    page = open_report(browser, as_html(sample_report()), tmp_path, viewport=window)
    for text in ("Answer.", "Answer with the number only."):
        box = page.locator("table.diff td", has_text=text).first.bounding_box()
        assert box["width"] > 0
        assert box["x"] + box["width"] <= width


def test_short_words_of_the_table_are_not_broken(browser: Any, tmp_path: Path) -> None:
    report = sample_report()
    report["suites"][0]["path"] = "evals/" + "a_very_long_folder_name/" * 6 + "orders.metaprompt.yaml"
    report["suites"][0]["target"] = "openai:" + "a-rather-long-model-name-" * 3
    report["suites"][0]["baseline"] = BASELINE
    page = open_report(browser, as_html(report), tmp_path, viewport={"width": 1280, "height": 800})
    assert page.locator("table.suites td[data-label=gate]").bounding_box()["width"] > 30
    assert page.evaluate("document.documentElement.scrollWidth") == 1280


def test_a_case_opens_with_its_messages_reply_verdicts_and_json_differences(browser: Any, tmp_path: Path) -> None:
    page = open_report(browser, as_html(sample_report()), tmp_path)
    page.get_by_role("button", name="case-1").click()
    details = page.locator(".details")
    text = details.inner_text()
    assert "You read numbers." in text
    assert "message of case-1" in text
    assert "$.order: expected 1, got 2" in text
    assert 'look_up({"id":7})' in text
    assert details.locator(".lines .del").all_inner_texts()[-1] == '- "order": 1,'
    assert "Attempt 2: failed" in text
    page.get_by_role("button", name="case-1").click()
    assert details.count() == 0


def test_the_page_works_by_keyboard(browser: Any, tmp_path: Path) -> None:
    page = open_report(browser, as_html(sample_report()), tmp_path)
    page.keyboard.press("/")
    page.keyboard.type("case-3")
    page.keyboard.press("Tab")
    assert names(page) == ["case-3"]
    page.fill("#search", "")
    page.locator(".case > button").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert "openai:small: 500" in page.locator(".details").inner_text()


def test_a_repair_shows_its_evidence_its_proposals_its_plot_and_both_sides(browser: Any, tmp_path: Path) -> None:
    page = open_report(browser, as_html(sample_report()), tmp_path)
    repair = page.locator(".repair")
    assert "2 fixed, 0 broken of 3 that no proposer saw" in repair.inner_text()
    assert repair.locator("table.diff .diff_add").count() >= 1
    assert repair.locator(".plot svg").count() == 1
    repair.get_by_text("Every proposal and its fate (2)").click()
    assert "breaks 'case-2'" in repair.inner_text()


def test_what_a_model_wrote_cannot_run(browser: Any, tmp_path: Path) -> None:
    page = open_report(browser, as_html(sample_report()), tmp_path)
    page.select_option("#outcome", "")
    for button in page.locator(".case > button").all():
        button.click()
    assert page.evaluate("window.pwned") is None
    assert page.locator("main img").count() == 0
    assert page.complaints == []


def test_of_ten_thousand_cases_only_what_is_looked_at_is_drawn(browser: Any, tmp_path: Path) -> None:
    page = open_report(browser, as_html(sample_report(10_000)), tmp_path)
    assert page.locator(".case").count() == 200
    page.locator("#more").click()
    assert page.locator(".case").count() == 400
    assert page.locator("#count").inner_text() == "5000 of 10000 cases"


@pytest.mark.parametrize("width", [390, 700, 1101, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_window(browser: Any, tmp_path: Path, width: int, scheme: str) -> None:
    window = {"width": width, "height": 800}
    page = open_report(browser, as_html(sample_report()), tmp_path, viewport=window, color_scheme=scheme)
    page.locator(".case > button").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") is (scheme == "light")


def test_a_routine_that_was_written_anew_is_shown_soon(browser: Any, tmp_path: Path) -> None:
    report = sample_report()
    lines = [(f"-old rule {n} about orders", f"+new rule {n} about refunds") for n in range(400)]
    changed = [old for old, _ in lines] + [new for _, new in lines]
    report["repairs"][0]["diff"] = "\n".join(["--- a/r.md", "+++ b/r.md", "@@ -1,401 +1,401 @@", " kept", *changed])
    began = time.perf_counter()
    html = as_html(report)
    assert time.perf_counter() - began < 30  # Every old line beside every new one takes minutes.
    page = open_report(browser, html, tmp_path)
    assert page.locator("table.diff td", has_text="old rule 399 about orders").count() == 1
    assert page.locator("table.diff td", has_text="new rule 399 about refunds").count() == 1


def test_the_history_is_a_plot() -> None:
    runs = [PastRun(f"2026-11-0{day}", day, 10, day / 10, 0.1, 0.9) for day in (1, 2, 3)]
    html = as_html(sample_report(), history={"evals/orders.metaprompt.yaml": runs})
    assert "History of evals/orders.metaprompt.yaml" in html
    assert html.count("<svg") == 2


def test_the_file_needs_nothing_from_elsewhere() -> None:
    html = as_html(sample_report())
    page = re.sub(r'<script type="application/json".*?</script>', "", html, flags=re.DOTALL)
    assert re.findall(r'(?:src|href)="(?!#)[^"]*"', page.replace("&#34;", "")) == []
    assert "default-src 'none'" in html


def test_without_pygal_the_plots_are_left_out_and_the_page_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pygal", None)
    html = as_html(sample_report())
    assert "<svg" not in html
    assert "pip install" in html
    assert "pytest-metaprompt[html]" in html
