"""The Markdown report: what GitHub would show, and what it must not take for markup."""

from __future__ import annotations

from pytest_metaprompt.reports.markdown import MOST_CHARACTERS, as_markdown
from tests.reports.reports import BASELINE, sample_report


def test_the_table_the_failing_cases_and_the_repair_are_there() -> None:
    text = as_markdown(sample_report())
    assert "| `evals/orders.metaprompt.yaml` | `openai:small` | 4/8 | 0.50 (0.22-0.78) | 2 | **failed** |" in text
    assert "<details><summary>4 cases that did not pass</summary>" in text
    assert "- `evals/orders.metaprompt.yaml` `case-1`, failed: json: $.order: expected 1, got 2" in text
    assert "### `routine.md`: applied" in text
    assert "- passed: 4/8 before, 8/8 after" in text


def test_what_went_wrong_is_told_apart_in_a_sentence() -> None:
    text = as_markdown(sample_report())
    assert "\n1 gate failed, 2 errors of providers or checks, 2 cases repaired, 4 cases passed.\n" in text
    assert "\nAs the tests found it, before the repair:\n" in text


def test_flaky_cases_are_listed_with_their_rate_and_interval() -> None:
    text = as_markdown(sample_report())
    assert "<details><summary>2 cases flaky: some attempts passed, some did not</summary>" in text
    assert "- `evals/orders.metaprompt.yaml` `case-1`, failed: 1/2 = 0.50 (0.09-0.91)" in text


def test_the_change_against_a_baseline_and_the_cost_have_columns_where_there_are_any() -> None:
    report = sample_report()
    assert " change |" not in as_markdown(report)
    assert " cost |" not in as_markdown(report)
    suite = report["suites"][0]
    suite["baseline"] = BASELINE
    suite["usage"]["cost_usd"] = 0.0123
    text = as_markdown(report)
    assert "| errors | gate | change | flaky | cost | time |" in text
    assert "| 1 worse, 0 better, 1 not judged | 2 | $0.0123 |" in text
    assert "- `evals/orders.metaprompt.yaml`: worse than in the baseline: 1: `case-1`\n" in text
    assert "- `evals/orders.metaprompt.yaml`: changed since the baseline, so not compared: 1: `case-5`\n" in text
    assert "- `evals/orders.metaprompt.yaml`: the routine \\| was changed since the baseline\n" in text


def test_a_gate_on_a_selection_is_skipped_and_its_failing_cases_are_left_to_it() -> None:
    report = sample_report()
    report["gates"], report["repairs"] = [], []
    for case in report["suites"][0]["cases"]:
        case.pop("now")
    text = as_markdown(report)
    assert "\n2 errors of providers or checks, 2 failing cases left to gates, 4 cases passed.\n" in text
    assert "| 2 | skipped |" in text


def test_ten_thousand_failing_cases_fit_in_a_comment_with_the_table_and_the_gates() -> None:
    report = sample_report(20_000)
    for case in report["suites"][0]["cases"]:
        case["id"] = case["id"] * 50
    text = as_markdown(report)
    assert len(text) <= MOST_CHARACTERS
    assert "<details><summary>10000 cases that did not pass</summary>" in text
    assert "- and 9980 more" in text
    assert "more parts are left out" not in text


def test_a_thousand_suites_fit_in_a_comment() -> None:
    report = sample_report()
    report["suites"] = report["suites"] * 1000
    report["gates"] = report["gates"] * 1000
    text = as_markdown(report)
    assert len(text) <= MOST_CHARACTERS
    assert "_900 more suites are left out here._" in text
    assert "And 980 more gates failed." in text


def test_a_diff_with_fences_in_it_stays_inside_its_own() -> None:
    text = as_markdown(sample_report())
    assert "````diff\n--- a/routine.md" in text
    assert "+```\n The end.\n````" in text


def test_what_a_model_wrote_is_no_markup_and_calls_nobody() -> None:
    text = as_markdown(sample_report())
    outside_code = "\n".join(line for line in text.splitlines() if "`" not in line)
    for forbidden in ("<script", "<img", " @team", "[a](javascript"):
        assert forbidden not in outside_code
    assert "500: \\</script\\>" in text


def test_names_of_proposers_sentences_and_tools_are_no_markup() -> None:
    report = sample_report()
    report["repairs"][0]["proposals"][0]["proposer"] = "<b>@team"
    report["repairs"][0]["cost_usd"] = 0.0131
    report["suites"][0]["path"] = "<b>orders"
    report["suites"][0]["unguarded"] = {"sentences": [], "tools": ["a`<b>"], "examined": 1, "left": 0}
    text = as_markdown(report)
    assert "- \\<b\\>@\u2060team, rejected" in text
    assert "### `<b>orders`: what no case guards (1 sentences examined)" in text
    assert "- the tool ``a`<b>``" in text
    assert ", in 3.2 s, $0.0131\n" in text


def test_one_is_told_in_the_singular() -> None:
    report = sample_report(2)
    report["repairs"][0]["proposals"] = report["repairs"][0]["proposals"][:1]
    text = as_markdown(report)
    assert "<summary>1 case that did not pass</summary>" in text
    assert "<summary>1 proposal</summary>" in text


def test_a_large_report_stays_under_the_limit_of_a_comment_and_says_what_is_missing() -> None:
    report = sample_report()
    report["repairs"] = report["repairs"] * 200
    text = as_markdown(report)
    assert len(text) <= MOST_CHARACTERS
    assert "more parts are left out" in text.splitlines()[-1]
