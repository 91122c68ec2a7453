import subprocess
import sys

import pytest

from pytest_metaprompt.errors import MetapromptError
from pytest_metaprompt.scorers import KNOWN, check, open_scorer

from .asking import HERE, NOWHERE, assertion, judge, refusal


def test_the_known_types_are_those_of_the_reference():
    assert {
        "equals", "contains", "icontains", "starts-with", "regex", "is-json", "json", "tool-call", "python",
        "evals-match",
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
