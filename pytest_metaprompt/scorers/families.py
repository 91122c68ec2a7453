"""Every type of assertion that stands alone: how it is opened, and what it can be told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pytest_metaprompt.protocols import Scorer
from pytest_metaprompt.scorers.contains_json import open_contains_json
from pytest_metaprompt.scorers.contains_several import open_contains_all, open_contains_any
from pytest_metaprompt.scorers.custom_code import open_javascript, open_python
from pytest_metaprompt.scorers.equals import open_equals
from pytest_metaprompt.scorers.evals_match import open_evals_match
from pytest_metaprompt.scorers.expected_calls import SETTINGS as CALL_SETTINGS
from pytest_metaprompt.scorers.finish_reason import open_finish_reason
from pytest_metaprompt.scorers.html_format import open_contains_html, open_is_html
from pytest_metaprompt.scorers.json_compare import open_json
from pytest_metaprompt.scorers.json_format import open_is_json
from pytest_metaprompt.scorers.levenshtein import open_levenshtein
from pytest_metaprompt.scorers.measured import open_cost, open_latency, open_perplexity, open_perplexity_score
from pytest_metaprompt.scorers.overlap import open_bleu, open_gleu, open_rouge_n
from pytest_metaprompt.scorers.refusal import open_is_refusal
from pytest_metaprompt.scorers.regex import open_regex
from pytest_metaprompt.scorers.text import open_contains, open_icontains, open_starts_with
from pytest_metaprompt.scorers.tool_call import open_tool_call
from pytest_metaprompt.scorers.tool_call_f1 import open_tool_call_f1
from pytest_metaprompt.scorers.tool_call_valid import open_valid_calls
from pytest_metaprompt.scorers.tool_calls import open_tool_calls
from pytest_metaprompt.scorers.webhook import open_webhook
from pytest_metaprompt.scorers.word_count import open_word_count
from pytest_metaprompt.scorers.xml_format import open_contains_xml, open_is_xml
from pytest_metaprompt.suites import Assertion


@dataclass(frozen=True, slots=True)
class Family:
    """How a type is opened, and the settings it has of its own. `opened` None: its parts are opened, one by one.

    `threshold` says whether it looks at one; `keeps_score` that promptfoo does not turn its score round under `not-`.
    """

    opened: Callable[[Assertion], Scorer] | None
    settings: tuple[str, ...] = ()
    threshold: bool = False
    keeps_score: bool = False


FAMILIES: Mapping[str, Family] = {
    "equals": Family(open_equals),
    "contains": Family(open_contains),
    "icontains": Family(open_icontains),
    "contains-any": Family(open_contains_any),
    "contains-all": Family(open_contains_all),
    "icontains-any": Family(open_contains_any),
    "icontains-all": Family(open_contains_all),
    "starts-with": Family(open_starts_with),
    "regex": Family(open_regex),
    "is-json": Family(open_is_json),
    "contains-json": Family(open_contains_json),
    "json": Family(open_json, ("ignore_paths", "tolerance", "ignore_order"), threshold=True),
    "is-xml": Family(open_is_xml),
    "contains-xml": Family(open_contains_xml),
    "is-html": Family(open_is_html),
    "contains-html": Family(open_contains_html),
    "tool-call": Family(open_tool_call, CALL_SETTINGS),
    "tool-calls": Family(open_tool_calls, CALL_SETTINGS),
    "tool-call-f1": Family(open_tool_call_f1, threshold=True, keeps_score=True),
    "is-valid-openai-tools-call": Family(open_valid_calls),
    "is-valid-function-call": Family(open_valid_calls),
    "is-valid-openai-function-call": Family(open_valid_calls),
    "evals-match": Family(open_evals_match, ("mode",)),
    "levenshtein": Family(open_levenshtein, threshold=True),
    "word-count": Family(open_word_count),
    "rouge-n": Family(open_rouge_n, threshold=True),
    "bleu": Family(open_bleu, threshold=True),
    "gleu": Family(open_gleu, threshold=True),
    "latency": Family(open_latency, threshold=True),
    "cost": Family(open_cost, threshold=True),
    "finish-reason": Family(open_finish_reason),
    "is-refusal": Family(open_is_refusal),
    "perplexity": Family(open_perplexity, threshold=True),
    "perplexity-score": Family(open_perplexity_score, threshold=True),
    "python": Family(open_python, ("config",), threshold=True, keeps_score=True),
    "javascript": Family(open_javascript, ("config",), threshold=True, keeps_score=True),
    "webhook": Family(open_webhook, threshold=True),
}
