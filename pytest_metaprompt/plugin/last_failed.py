"""What `pytest --lf` runs next: it knows the reports of the tests, not repairs, and not cases that a gate judges."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_metaprompt.plugin.after import good_items
from pytest_metaprompt.plugin.case_results import CaseKey
from pytest_metaprompt.plugin.session import PromptSession

_KEY = "cache/lastfailed"


def correct_last_failed(state: PromptSession, config: pytest.Config) -> None:
    """Add failing cases of suites with gates to what pytest noted as failed; take out what a repair put right."""
    cache = getattr(config, "cache", None)
    if not isinstance(cache, pytest.Cache) or state.in_worker:
        return
    noted = cache.get(_KEY, {})
    mended = good_items(state, state.final_runs()) - good_items(state, state.runs())
    found = {nodeid: True for nodeid in [*noted, *_failing_under_gates(state)] if nodeid not in mended}
    if found != noted:
        cache.set(_KEY, found)


def _failing_under_gates(state: PromptSession) -> Iterator[str]:
    outcomes = {
        CaseKey(key, result.case.id): result.outcome
        for key, run in state.final_runs().items()
        for result in run.results
        if state.suites[key].suite.gate is not None
    }
    for item in state.tracked:
        if item.key is not None and outcomes.get(item.key) in ("failed", "error"):
            yield item.nodeid
