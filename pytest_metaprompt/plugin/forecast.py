"""What a repair is likely to ask and to cost, said before it begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from pytest_metaprompt.clients.ledger import Tally
from pytest_metaprompt.clients.prices import CostOf
from pytest_metaprompt.plugin.call_counts import CallCount, judged_by, mean_of
from pytest_metaprompt.plugin.models import META_CALL
from pytest_metaprompt.reports.figures import cost_words
from pytest_metaprompt.results import Attempt, CaseResult, Run, Usage
from pytest_metaprompt.suites import BudgetSettings, ModelSpec

_PROBED = 5
_META_CALLS = 3

BESIDE_CALL = Usage(input_tokens=800, output_tokens=200)
"""What a call of a judge or a customer is taken to use before one was made."""

FindPrice = Callable[[ModelSpec], CostOf | None]
Used = Callable[[str], Tally]
"""What a role used in the test run."""


def forecast(
    runs: Sequence[Run], meta: ModelSpec | None, budget: BudgetSettings, *, price: FindPrice, used: Used
) -> str:
    """The likely calls and dollars of a repair, and its caps, in one line.

    Two proposals are tried on what fails, the better one on all the rest, and some cases are asked again. An asking is
    taken to need the calls that it needed in the test run, and each of them to cost what one cost there on average.
    """
    results = [result for run in runs for result in run.results]
    failing = sum(result.outcome == "failed" for result in results)
    each, metas = mean_of(results), _META_CALLS if meta is not None else 0
    room = (budget.calls or 0) / each.total
    askings = min(_PROBED + 2 * failing + len(results), room)
    words = [f"about {_in_words(each, askings, metas)} (at most {budget.calls} in all)"]
    words.append(_in_dollars(_costs(runs, meta, price, used, askings=askings, metas=metas)))
    if budget.usd is not None:
        words.append(f"never more than ${budget.usd:g}")
    return ", ".join(words)


def _in_words(each: CallCount, askings: float, metas: int) -> str:
    beside = {"customer": each.customer * askings, "judge": each.judge * askings}
    told = {"target": each.target * askings, **{who: count for who, count in beside.items() if count}, "meta": metas}
    words = [f"{count:.0f} {who} calls" for who, count in told.items()]
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _in_dollars(costs: Iterator[float | None]) -> str:
    total = 0.0
    for cost in costs:
        if cost is None:
            return cost_words(None)
        total += cost
    return f"about {cost_words(total)}" if total else cost_words(total)


def _costs(
    runs: Sequence[Run], meta: ModelSpec | None, price: FindPrice, used: Used, *, askings: float, metas: int
) -> Iterator[float | None]:
    """The dollars of everything that is asked; None for a part whose price is not known."""
    pairs = [(run, result) for run in runs for result in run.results]
    share = askings / len(pairs)
    yield _target_cost(pairs, price, askings)
    for run, result in pairs:
        for spec, calls in judged_by(run.suite, result.case):
            yield _cost(spec, price, _usual(used("judge")), share * calls)
        simulation = result.case.simulation
        if simulation is not None and simulation.persona is not None:
            yield _cost(simulation.model, price, _usual(used("customer")), share * mean_of([result]).customer)
    if meta is not None:
        yield _cost(meta, price, META_CALL, metas)


def _cost(spec: ModelSpec | None, price: FindPrice, usage: Usage, calls: float) -> float | None:
    found = price(spec) if spec is not None else None
    return None if found is None else calls * found(usage)


def _usual(tally: Tally) -> Usage:
    """What a call used on average."""
    calls = tally.calls - tally.errors
    return Usage(tally.input_tokens // calls, tally.output_tokens // calls) if calls > 0 else BESIDE_CALL


def _target_cost(pairs: Sequence[tuple[Run, CaseResult]], price: FindPrice, askings: float) -> float | None:
    specs = [run.suite.target for run, _ in pairs]
    known = [one for _, result in pairs for attempt in result.attempts if (one := _asking_cost(attempt)) is not None]
    if not known or any(spec is not None and price(spec) is None for spec in specs):
        return None
    return askings * sum(known) / len(known)


def _asking_cost(attempt: Attempt) -> float | None:
    """What the target cost in one attempt: each turn of a conversation as much as its last one."""
    if attempt.reply is None or attempt.reply.cost_usd is None:
        return None
    turns = sum(message.role == "assistant" for message in attempt.transcript)
    return attempt.reply.cost_usd * max(1, turns)
