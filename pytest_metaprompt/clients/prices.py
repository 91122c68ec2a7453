"""What calls cost: from the suite, or from the table in the package `genai-prices`, never updated from here."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address
from urllib.parse import urlsplit

from pytest_metaprompt.clients.address import SERVED, server_url
from pytest_metaprompt.protocols import Client
from pytest_metaprompt.results import Reply, Request, Usage
from pytest_metaprompt.suites import ModelSpec, Price

CostOf = Callable[[Usage], float]
"""The dollars that a call with these tokens costs."""

_FREE = ("local", "echo")
_MTOK = 1_000_000


def find_cost(spec: ModelSpec, environ: Mapping[str, str]) -> CostOf | None:
    """What calls of a model cost; None where no price is known. Models in this process cost nothing."""
    if spec.price is not None:
        return _by_price(spec.price)
    if spec.provider in _FREE:
        return _by_price(Price(0.0, 0.0))
    return _from_table(spec.name, server_url(spec, environ)) if spec.provider in SERVED else None


def price_hint() -> str:
    """What to do about a model without a known price."""
    own = "give the model a  price: {input_per_mtok: ..., output_per_mtok: ...}"
    if importlib.util.find_spec("genai_prices") is None:
        return f"{own}, or type: pip install 'pytest-metaprompt[prices]'"
    return own


class PricedClient:
    """Puts its price on each reply that has none, where the price is known and the provider counted tokens."""

    def __init__(self, inner: Client, find: Callable[[], CostOf | None]) -> None:
        self._inner = inner
        self._find = find

    async def ask(self, request: Request) -> Reply:
        """The inner client's reply.

        Raises:
            ModelCallError: As the inner client does.
            SetupError: As the inner client does.
        """
        reply = await self._inner.ask(request)
        return reply if reply.cost_usd is not None else replace(reply, cost_usd=cost_of(reply.usage, self._find()))


def cost_of(usage: Usage, price: CostOf | None) -> float | None:
    """The dollars for a finished call. Where the provider counted no tokens, only a free one has a known price."""
    if price is None:
        return None
    counted = usage.input_tokens or usage.output_tokens
    return price(usage) if counted or is_free(price) else None


def is_free(price: CostOf) -> bool:
    """Whether calls cost nothing, whatever their size."""
    return price(Usage(_MTOK, _MTOK)) == 0


def _by_price(price: Price) -> CostOf:
    cached = price.input_per_mtok if price.cached_input_per_mtok is None else price.cached_input_per_mtok

    def cost(usage: Usage) -> float:
        asked = (usage.input_tokens - usage.cached_input_tokens) * price.input_per_mtok
        return (asked + usage.cached_input_tokens * cached + usage.output_tokens * price.output_per_mtok) / _MTOK

    return cost


def _from_table(model: str, url: str) -> CostOf | None:
    if _is_private(url) or importlib.util.find_spec("genai_prices") is None:
        return None
    from genai_prices import Usage as TableUsage
    from genai_prices import calc_price

    def cost(usage: Usage) -> float:
        counted = TableUsage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cached_input_tokens,
        )
        return float(calc_price(counted, model, provider_api_url=url).total_price)

    with suppress(LookupError, ValueError):
        cost(Usage(_MTOK, _MTOK))
        return cost
    return None


def _is_private(url: str) -> bool:
    """Whether the address is one that no public table of prices knows; loading the table takes a fifth of a second."""
    host = urlsplit(url).hostname or ""
    with suppress(ValueError):
        ip_address(host)
        return True
    return "." not in host or host.endswith((".local", ".internal", ".localhost"))
