"""The Markdown report: what GitHub would show, and what it must not take for markup."""

from __future__ import annotations

from pytest_metaprompt.reports.markdown import MOST_CHARACTERS, as_markdown
from tests.reports.reports import sample_report


def test_the_table_the_failing_cases_and_the_repair_are_there() -> None:
    text = as_markdown(sample_report())
    assert "| `evals/orders.metaprompt.yaml` | `openai:small` | 4/8 | 0.50 (0.22-0.78) | 2 | **failed** |" in text
    assert "<details><summary>4 cases that did not pass</summary>" in text
    assert "- `evals/orders.metaprompt.yaml` `case-1`, failed: json: $.order: expected 1, got 2" in text
    assert "### `routine.md`: applied" in text
    assert "- passed: 4/8 before, 8/8 after" in text


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


def test_a_large_report_stays_under_the_limit_of_a_comment_and_says_what_is_missing() -> None:
    report = sample_report()
    report["repairs"] = report["repairs"] * 200
    text = as_markdown(report)
    assert len(text) <= MOST_CHARACTERS
    assert "more parts are left out" in text.splitlines()[-1]
