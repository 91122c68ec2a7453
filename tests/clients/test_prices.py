import sys

import pytest

from pytest_metaprompt.clients.prices import PricedClient, cost_of, find_cost, price_hint
from pytest_metaprompt.results import Reply, Usage
from pytest_metaprompt.suites import ModelSpec, Price
from pytest_metaprompt.testing import ScriptedClient
from tests.clients.asking import ask

MILLION = Usage(1_000_000, 1_000_000)


def test_the_price_in_the_suite_comes_first():
    price = find_cost(ModelSpec("openai", "gpt-5-mini", price=Price(1.0, 2.0)), {})
    assert price(MILLION) == 3.0
    assert price(Usage(1_000_000, 0, cached_input_tokens=500_000)) == 1.0
    cached = find_cost(ModelSpec("openai", "m", price=Price(1.0, 2.0, 0.1)), {})
    assert cached(Usage(1_000_000, 0, cached_input_tokens=500_000)) == pytest.approx(0.55)


def test_a_model_of_the_table_has_its_price_with_cached_tokens_cheaper():
    pytest.importorskip("genai_prices")
    price = find_cost(ModelSpec("openai", "gpt-5-mini"), {})
    full, cached = price(Usage(1_000_000, 0)), price(Usage(1_000_000, 0, cached_input_tokens=1_000_000))
    assert 0 < cached < full < price(MILLION)


@pytest.mark.parametrize(
    ("spec", "environ"),
    [
        (ModelSpec("openai", "no-such-model"), {}),
        (ModelSpec("openai", "gpt-5-mini", base_url="http://127.0.0.1:4000/v1"), {}),
        (ModelSpec("openai", "gpt-5-mini"), {"OPENAI_BASE_URL": "http://localhost:4000/v1"}),
        (ModelSpec("openai", "gpt-5-mini", base_url="https://models.example.com/v1"), {}),
        (ModelSpec("python", "bot:answer"), {}),
        (ModelSpec("acme", "m"), {}),
    ],
)
def test_who_else_answers_has_no_known_price(spec, environ):
    assert find_cost(spec, environ) is None


def test_models_in_this_process_cost_nothing():
    assert find_cost(ModelSpec("local", "smollm2-135m"), {})(MILLION) == 0
    assert find_cost(ModelSpec("echo", ""), {})(MILLION) == 0


def test_without_the_package_the_price_is_unknown_and_the_hint_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert find_cost(ModelSpec("openai", "gpt-5-mini"), {}) is None
    assert "pip install 'pytest-metaprompt[prices]'" in price_hint()


def test_a_reply_whose_tokens_were_not_counted_has_no_price_unless_it_is_free():
    paid = find_cost(ModelSpec("openai", "m", price=Price(1.0, 1.0)), {})
    assert cost_of(Usage(), paid) is None
    assert cost_of(Usage(), find_cost(ModelSpec("echo", ""), {})) == 0.0
    assert cost_of(MILLION, None) is None


def test_a_reply_that_tells_its_price_keeps_it():
    told = PricedClient(
        ScriptedClient(lambda request: Reply("hi", usage=MILLION, cost_usd=9.0)), lambda: lambda usage: 1.0
    )
    counted = PricedClient(ScriptedClient(lambda request: Reply("hi", usage=MILLION)), lambda: lambda usage: 1.0)
    assert (ask(told).cost_usd, ask(counted).cost_usd) == (9.0, 1.0)
