import subprocess
import sys

import pytest

from pytest_metaprompt.errors import MetapromptError
from pytest_metaprompt.scorers import KNOWN, check, open_scorer

from .asking import HERE, NOWHERE, assertion, judge, refusal


def test_the_known_types_are_those_of_the_reference():
    assert {
        "equals", "contains", "icontains", "contains-any", "contains-all", "icontains-any", "icontains-all",
        "starts-with", "regex", "is-json", "contains-json", "json", "is-xml", "contains-xml", "is-html",
        "contains-html", "tool-call", "tool-calls", "tool-call-f1", "is-valid-openai-tools-call",
        "is-valid-function-call", "is-valid-openai-function-call", "levenshtein", "word-count", "rouge-n", "bleu",
        "gleu", "latency", "cost", "finish-reason", "is-refusal", "python", "javascript", "webhook", "perplexity",
        "perplexity-score", "assert-set", "evals-match",
        "llm-rubric", "factuality", "model-graded-factuality", "model-graded-closedqa", "g-eval", "answer-relevance",
        "conversation-relevance", "context-recall", "context-relevance", "context-faithfulness", "similar",
        "similar:cosine", "similar:dot", "similar:euclidean",
    } == KNOWN  # fmt: skip


def test_an_unknown_type_is_refused_with_the_nearest_one():
    text = refusal("contians", "a")
    assert text.startswith("suite.metaprompt.yaml:3: unknown assertion 'contians'")
    assert "did you mean 'contains'?" in text


def test_an_unknown_type_is_named_as_the_user_wrote_it():
    assert "unknown assertion 'not-contians'" in refusal("not-contians", "a")


def test_an_unknown_type_is_refused_when_opened_too():
    with pytest.raises(MetapromptError, match="unknown assertion"):
        open_scorer(assertion("contians", "a"), base=NOWHERE)


def test_an_unknown_setting_is_refused_with_the_nearest_one():
    assert "json: unknown key 'ignore_pahts' (did you mean 'ignore_paths'?" in refusal("json", 1, ignore_pahts=["a"])


def test_a_setting_of_a_type_that_has_none_is_refused():
    assert "unknown key 'ignore_case' (contains has no settings)" in refusal("contains", "a", ignore_case=True)


UNSUPPORTED = (
    "is-sql not-is-sql ruby guardrails moderation classifier trace-span-count skill-used human pi agent-rubric "
    "search-rubric promptfoo:redteam:bias meteor max-score trajectory:tool-used"
)


@pytest.mark.parametrize("type_", UNSUPPORTED.split())
def test_what_promptfoo_has_and_we_have_not_is_refused_by_name(type_):
    assert f"{type_}: promptfoo has this assertion, we do not (yet): " in refusal(type_, "a")


@pytest.mark.parametrize("type_", ["contains", "equals", "regex", "tool-call", "word-count", "is-refusal"])
def test_a_threshold_that_nothing_would_look_at_is_refused(type_):
    assert "it has no threshold, so this one would not be looked at" in refusal(type_, "1", threshold=0.5)


@pytest.mark.parametrize("type_", ["rouge-n", "bleu", "gleu", "tool-call-f1", "perplexity-score", "json", "not-bleu"])
def test_a_threshold_that_every_reply_reaches_is_refused(type_):
    value = None if type_ == "perplexity-score" else "1"
    message = "threshold must be a number above 0, not 0 (every reply would reach it)"
    assert message in refusal(type_, value, threshold=0.0)
    if type_ != "json":
        open_scorer(assertion(type_, value, threshold=0.0, dialect="promptfoo"), base=NOWHERE)


@pytest.mark.parametrize("type_", ["latency", "cost", "perplexity", "perplexity-score"])
def test_a_limit_must_be_given(type_):
    assert "threshold is missing" in refusal(type_)


@pytest.mark.parametrize("type_", ["is-html", "contains-html", "latency", "is-refusal", "is-valid-function-call"])
def test_a_value_that_nothing_would_look_at_is_refused(type_):
    assert "it takes no value" in refusal(type_, "a", threshold=5.0 if type_ == "latency" else None)


def test_assertions_inside_anything_but_a_set_are_refused():
    assert "only an assert-set has assertions" in refusal("contains", "a", children=[assertion("contains", "a")])


def test_a_reference_to_a_file_is_left_to_the_opening():
    check(assertion("is-json", "file://missing.json"))
    with pytest.raises(MetapromptError, match=r"cannot read .*missing\.json") as caught:
        open_scorer(assertion("is-json", "file://missing.json"), base=NOWHERE)
    assert caught.value.where == HERE


def test_a_file_is_checked_like_a_value_in_place(tmp_path):
    (tmp_path / "empty.txt").write_text(" \n", encoding="utf-8")
    with pytest.raises(MetapromptError, match="value is empty"):
        open_scorer(assertion("contains", "file://empty.txt"), base=tmp_path)


def test_type_weight_and_metric_of_the_assertion_are_on_the_verdict():
    verdict = judge("not-contains", "a", "b", weight=2.5, metric="tone")
    assert (verdict.type, verdict.weight, verdict.metric) == ("not-contains", 2.5, "tone")


def test_importing_the_scorers_loads_no_heavy_package():
    code = (
        "import sys, pytest_metaprompt.scorers\n"
        "print([name for name in ('deepdiff', 'jsonschema', 'referencing', 'yaml') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
