"""`assertScoringFunction`: the user's own word on a test, made of its named scores."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pytest_metaprompt.errors import ScorerError
from pytest_metaprompt.metrics import attempt_metrics
from pytest_metaprompt.python_files import call_function
from pytest_metaprompt.results import Attempt, Verdict

TYPE = "assertScoringFunction"


async def scored(attempt: Attempt, function: str, *, folder: Path) -> Attempt:
    """The attempt with one verdict, the function's, over those of its assertions. A threshold counts no more.

    Raises:
        ScorerError: The function returned no `pass` and `score`.
        UserCodeError: It cannot be loaded, or raised.
    """
    path, _, name = function.rpartition(":")
    told = [
        {"type": one.type, "pass": one.passed, "score": one.score, "reason": one.reason} for one in attempt.verdicts
    ]
    context = {"threshold": attempt.case.threshold, "componentResults": told}
    result = await asyncio.to_thread(call_function, folder / path, name, attempt_metrics(attempt), context)
    passed = result.get("pass") if isinstance(result, Mapping) else None
    score = result.get("score") if isinstance(result, Mapping) else None
    if not isinstance(result, Mapping) or not isinstance(passed, bool) or not isinstance(score, int | float):
        message = f"{TYPE}: {function} returned {result!r}"
        raise ScorerError(message, where=attempt.case.where, hint='return {"pass": ..., "score": ..., "reason": ...}')
    verdict = Verdict(TYPE, passed, float(score), str(result.get("reason") or ""), children=attempt.verdicts)
    return replace(attempt, verdicts=(verdict,), case=replace(attempt.case, threshold=None))
