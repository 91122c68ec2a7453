"""What a repair is likely to ask and to cost, said before it begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pytest_metaprompt.clients.prices import CostOf
from pytest_metaprompt.plugin.models import META_CALL
from pytest_metaprompt.reports.figures import cost_words
from pytest_metaprompt.results import Reply, Run
from pytest_metaprompt.suites import BudgetSettings, ModelSpec

_PROBED = 5
_META_CALLS = 3

FindPrice = Callable[[ModelSpec], CostOf | None]


def forecast(runs: Sequence[Run], meta: ModelSpec | None, budget: BudgetSettings, price: FindPrice) -> str:
    """The likely calls and dollars of a repair, and its caps, in one line.

    Two proposals are tried on what fails, the better one on all the rest, and some cases are asked again. A call of the
    target is taken to cost what it cost on average in the test run.
    """
    results = [result for run in runs for result in run.results]
    failing = sum(result.outcome == "failed" for result in results)
    likely = min(_PROBED + 2 * failing + len(results), budget.calls or 0)
    metas = _META_CALLS if meta is not None else 0
    words = [f"about {likely} target calls and {metas} meta calls (at most {budget.calls} in all)"]
    words.append(_likely_cost(runs, meta, price, likely=likely, metas=metas))
    if budget.usd is not None:
        words.append(f"never more than ${budget.usd:g}")
    return ", ".join(words)


def _likely_cost(runs: Sequence[Run], meta: ModelSpec | None, price: FindPrice, *, likely: int, metas: int) -> str:
    costs = [one for run in runs for reply in _replies(run) if (one := reply.cost_usd) is not None]
    targets = [price(run.suite.target) for run in runs if run.suite.target is not None]
    asked = price(meta) if meta is not None else None
    if None in targets or not costs or (meta is not None and asked is None):
        return cost_words(None)
    total = likely * sum(costs) / len(costs) + (metas * asked(META_CALL) if asked is not None else 0.0)
    return f"about {cost_words(total)}" if total else cost_words(total)


def _replies(run: Run) -> list[Reply]:
    return [attempt.reply for result in run.results for attempt in result.attempts if attempt.reply is not None]
