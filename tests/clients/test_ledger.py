import asyncio

import pytest

from pytest_metaprompt.clients.ledger import CountedClient, Ledger, Tally
from pytest_metaprompt.errors import BudgetExhaustedError, ModelCallError
from pytest_metaprompt.results import Reply, Usage
from pytest_metaprompt.testing import ScriptedClient
from tests.clients.asking import ask, request


def counted(ledger, answer, role="target"):
    return CountedClient(ScriptedClient(answer), ledger, role=role)


def test_calls_are_counted_by_role_and_in_all():
    ledger = Ledger()
    ask(counted(ledger, lambda request: Reply("hi", usage=Usage(3, 4), cost_usd=0.5)), request(), request())
    ask(counted(ledger, lambda request: Reply("hi", usage=Usage(1, 1), cost_usd=0.25), "meta"))
    assert ledger.of("target") == Tally(calls=2, input_tokens=6, output_tokens=8, cost_usd=1.0)
    assert ledger.of("meta") == Tally(calls=1, input_tokens=1, output_tokens=1, cost_usd=0.25)
    assert ledger.of("judge") == Tally()
    assert ledger.total == Tally(calls=3, input_tokens=7, output_tokens=9, cost_usd=1.25)


def test_one_unknown_price_makes_the_whole_cost_unknown():
    ledger = Ledger()
    ask(counted(ledger, lambda request: Reply("hi", cost_usd=0.5)))
    ask(counted(ledger, lambda request: Reply("hi")))
    ask(counted(ledger, lambda request: Reply("hi", cost_usd=0.5)))
    assert ledger.total.cost_usd is None


def test_a_reply_from_a_store_is_no_call_and_uses_nothing():
    ledger = Ledger()
    ask(counted(ledger, lambda request: Reply("hi", usage=Usage(3, 4), cached=True)))
    assert ledger.total == Tally(cached=1)


def test_a_failed_call_is_a_call_and_an_error():
    ledger = Ledger()
    with pytest.raises(ModelCallError):
        ask(counted(ledger, lambda request: ModelCallError("down")))
    assert ledger.total == Tally(calls=1, errors=1)


def test_a_call_that_the_budget_forbade_was_not_made():
    ledger = Ledger()
    with pytest.raises(BudgetExhaustedError):
        ask(counted(ledger, lambda request: BudgetExhaustedError("used up")))
    assert ledger.total == Tally()


def test_a_call_that_was_stopped_is_a_call_of_unknown_price():
    async def story():
        task = asyncio.create_task(counted(ledger, lambda request: "hi").ask(request()))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    ledger = Ledger()
    asyncio.run(story())
    assert ledger.total == Tally(calls=1, cost_usd=None)
