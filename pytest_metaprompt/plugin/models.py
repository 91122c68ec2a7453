"""The models of a session: each opened once, capped, cached and counted, and asked through one asker."""

from __future__ import annotations

import asyncio
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_metaprompt.clients.cache import CachedClient, ReplyStore
from pytest_metaprompt.clients.ledger import CountedClient, Ledger
from pytest_metaprompt.clients.limits import Caps, LimitedClient
from pytest_metaprompt.clients.models import open_client, open_embedder
from pytest_metaprompt.clients.pace import Paces
from pytest_metaprompt.plugin.grading import Scorers
from pytest_metaprompt.plugin.options import Options
from pytest_metaprompt.protocols import Client
from pytest_metaprompt.reports.json_report import TotalUsage
from pytest_metaprompt.results import Reply, Request
from pytest_metaprompt.runner import Asker
from pytest_metaprompt.suites import BudgetSettings, ModelSpec

if TYPE_CHECKING:
    from pytest_metaprompt.plugin.batching import Batching
    from pytest_metaprompt.plugin.tracing import Tracing


class Models:
    """Opens models and scorers on first use and keeps them for the session."""

    def __init__(self, options: Options, *, root: Path) -> None:
        self.batching = _open_batching(options, root)
        self._options = options
        self._root = root
        self._caps = Caps(calls=options.max_calls, tokens=options.max_tokens)
        self._store = ReplyStore() if options.cache else None
        self._ledger = Ledger()
        self._paces = Paces()
        self._raw: dict[str, Client] = {}
        self._clients: dict[str, Client] = {}
        self._scorers = Scorers(
            judge=partial(self._client, role="judge"), embedder=partial(self._client, role="judge", embeds=True)
        )

    def asker(self, *, batched: bool = False) -> Asker:
        """What the test run asks with; with `batched`, targets are asked through batches if the user wants that."""
        return Asker(
            partial(self._client, role="target", batched=batched),
            self._scorers.of,
            open_customer=partial(self._client, role="customer"),
            open_partner=partial(self._client, role="target"),
            watch=self.tracing.attempt if self.tracing is not None else None,
        )

    @cached_property
    def tracing(self) -> Tracing | None:
        """The session's spans, if somebody wants them; whether so is seen when the first call is to be made."""
        from pytest_metaprompt.plugin.tracing import open_tracing

        return open_tracing(self._options)

    def _client(self, spec: ModelSpec, *, role: str, embeds: bool = False, batched: bool = False) -> Client:
        key = f"{role} {embeds} {batched} {spec!r}"
        if key not in self._clients:
            capped = self.capped(spec, embeds=embeds, batched=batched)
            self._clients[key] = self.counted(self.stored(capped), role=role)
        return self._clients[key]

    def capped(self, spec: ModelSpec, *, embeds: bool = False, batched: bool = False) -> Client:
        """The model under the session's caps, neither cached nor counted. One that `embeds` gives vectors."""
        client: Client = _Opened(self, spec, embeds=embeds)
        if self.tracing is not None:
            client = self.tracing.client(client, embeds=embeds)
        if self.batching is not None:
            client = self.batching.live(client)
            client = self.batching.batched(client, spec, lambda usage: None) if batched else client
        return LimitedClient(client, self._caps)

    def stored(self, client: Client) -> Client:
        """The client behind the session's cache, unless that is switched off."""
        return client if self._store is None else CachedClient(client, self._store)

    def counted(self, client: Client, *, role: str) -> Client:
        """The client with its calls in the session's ledger."""
        return CountedClient(client, self._ledger, role=role)

    def raw(self, spec: ModelSpec, *, embeds: bool = False) -> Client:
        """The model itself, opened when it is first asked."""
        key = f"{embeds} {spec!r}"
        if key not in self._raw:
            opener = open_embedder if embeds else open_client
            self._raw[key] = opener(spec, root=self._root, paces=self._paces)
        return self._raw[key]

    def for_repair(self, budget: BudgetSettings) -> RepairModels:
        """The same models under a repair's own budget."""
        return RepairModels(self, budget)

    def usage(self) -> TotalUsage:
        """What the session used so far. No price is known yet, so no cost is."""
        total = self._ledger.total
        return TotalUsage(
            total.calls, total.cached, total.input_tokens, total.output_tokens, None, retries=total.retries
        )

    def waits_for(self) -> str | None:
        """What the calls wait for, such as `429: waiting 12 s, 8 under way`; None where nothing holds them up."""
        batches = None if self.batching is None else self.batching.state()
        return "; ".join(told for told in (batches, self._paces.state()) if told) or None

    async def close(self) -> None:
        """Let go of connections."""
        for client in self._raw.values():
            close = getattr(client, "close", None)
            if close is not None:
                await close()
        if self.batching is not None:
            await self.batching.close()
        if self.tracing is not None:
            await asyncio.to_thread(self.tracing.close)


def _open_batching(options: Options, root: Path) -> Batching | None:
    if not options.batch:
        return None
    from pytest_metaprompt.plugin.batching import Batching

    return Batching(options, root=root)


class RepairModels:
    """The session's models under a repair's budget, with its own count."""

    def __init__(self, models: Models, budget: BudgetSettings) -> None:
        self._models = models
        self._caps = Caps(calls=budget.calls, tokens=budget.tokens, option="fix.budget.{cap} in the suite")
        self._ledger = Ledger()
        self._clients: dict[str, Client] = {}
        self._scorers = Scorers(
            judge=partial(self._client, role="judge"), embedder=partial(self._client, role="judge", embeds=True)
        )

    def asker(self) -> Asker:
        """What the repair asks the target with, and everyone who is asked for a verdict on it."""
        return Asker(
            partial(self._client, role="target"),
            self._scorers.of,
            open_customer=partial(self._client, role="customer"),
            watch=self._models.tracing.attempt if self._models.tracing is not None else None,
        )

    def meta(self, spec: ModelSpec) -> Client:
        """The meta model."""
        return self._client(spec, role="meta")

    def calls(self, role: str) -> int:
        """Calls that reached the models in a role: `target`, `meta`, `judge` or `customer`."""
        return self._ledger.of(role).calls

    @property
    def total_calls(self) -> int:
        """Calls that reached any model."""
        return self._ledger.total.calls

    def _client(self, spec: ModelSpec, *, role: str, embeds: bool = False) -> Client:
        key = f"{role} {embeds} {spec!r}"
        if key not in self._clients:
            stored = self._models.stored(LimitedClient(self._models.capped(spec, embeds=embeds), self._caps))
            self._clients[key] = CountedClient(self._models.counted(stored, role=role), self._ledger, role=role)
        return self._clients[key]


class _Opened:
    """A client that is opened when it is first asked, so that a missing key is an error of the call."""

    def __init__(self, models: Models, spec: ModelSpec, *, embeds: bool) -> None:
        self._models = models
        self._spec = spec
        self._embeds = embeds

    async def ask(self, request: Request) -> Reply:
        """The model's reply."""
        return await self._models.raw(self._spec, embeds=self._embeds).ask(request)
