"""The models of a session: each opened once, priced, capped, stored and counted, and asked through one asker.

From the inside out: the model, its price, the session's caps, the cache, the cassette, the ledger. A reply from the
cache or a cassette so uses no budget of the session, and one from the cache is recorded like any other. A repair's own
caps stand inside of the cache; beside a cassette they stand outside, so that a replayed repair ends where the recorded
one did.
"""

from __future__ import annotations

import asyncio
import os
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_metaprompt.clients.address import secrets_of
from pytest_metaprompt.clients.cache import AnewStore, CachedClient, MemoryStore, ReplyStore
from pytest_metaprompt.clients.cache_file import CacheFile, CacheStore
from pytest_metaprompt.clients.cassette import CassetteStore
from pytest_metaprompt.clients.identity import identity, runs_live
from pytest_metaprompt.clients.ledger import CountedClient, Ledger, Tally
from pytest_metaprompt.clients.limits import Caps, LimitedClient
from pytest_metaprompt.clients.models import open_client, open_embedder
from pytest_metaprompt.clients.pace import Paces
from pytest_metaprompt.clients.prices import CostOf, PricedClient, cost_of, find_cost
from pytest_metaprompt.files import OWN_FOLDER
from pytest_metaprompt.plugin.cassettes import Cassettes
from pytest_metaprompt.plugin.grading import Scorers
from pytest_metaprompt.plugin.options import Options
from pytest_metaprompt.protocols import Client
from pytest_metaprompt.reports.json_report import TotalUsage
from pytest_metaprompt.results import Reply, Request, Usage
from pytest_metaprompt.runner import Asker
from pytest_metaprompt.suites import BudgetSettings, ModelSpec, Suite

CACHE_FILE = "cache.db"
META_CALL = Usage(input_tokens=8_000, output_tokens=2_000)
"""What a call of the meta model is taken to use before one was made."""

BATCHED_OUTPUT = 1_000
"""How many tokens a reply in a batch is taken to have, where no limit is set: there is no first reply to learn from."""

if TYPE_CHECKING:
    from pytest_metaprompt.plugin.batching import Batching
    from pytest_metaprompt.plugin.tracing import Tracing


class Models:
    """Opens models and scorers on first use and keeps them for the session. `notes` are for the summary."""

    def __init__(self, options: Options, *, root: Path) -> None:
        self.notes: list[str] = []
        self.cassettes = Cassettes(options, root=root)
        self.batching = _open_batching(options, root)
        self._options = options
        self._root = root
        self._caps = Caps(calls=options.max_calls, tokens=options.max_tokens, usd=options.max_cost_usd)
        self._cache = CacheFile(
            root / OWN_FOLDER / CACHE_FILE,
            days=options.cache_days,
            megabytes=options.cache_mb,
            warn=self.notes.append,
        )
        self._memory = MemoryStore()
        self._ledger = Ledger()
        self._paces = Paces()
        self._raw: dict[str, Client] = {}
        self._clients: dict[str, Client] = {}
        self._stores: dict[str, ReplyStore] = {}
        self._prices: dict[str, CostOf | None] = {}
        self._scorers = Scorers(
            judge=partial(self.client, role="judge"), embedder=partial(self.client, role="judge", embeds=True)
        )

    def asker(self, *, batched: bool = False) -> Asker:
        """What the test run asks with; with `batched`, targets are asked through batches if the user wants that."""
        return Asker(
            partial(self.client, role="target", batched=batched),
            self._scorers.of,
            open_customer=partial(self.client, role="customer"),
            open_partner=partial(self.client, role="target"),
            watch=self.tracing.attempt if self.tracing is not None else None,
        )

    @cached_property
    def tracing(self) -> Tracing | None:
        """The session's spans, if somebody wants them; whether so is seen when the first call is to be made."""
        from pytest_metaprompt.plugin.tracing import open_tracing

        return open_tracing(self._options)

    def client(
        self, suite: Suite, spec: ModelSpec, *, role: str, embeds: bool = False, batched: bool = False
    ) -> Client:
        """The model as the test run asks it in a role. One that `embeds` gives vectors."""
        key = f"{suite.path} {role} {embeds} {batched} {spec!r}"
        if key not in self._clients:
            capped = self.capped(spec, embeds=embeds, batched=batched)
            stored = self.taped(self.cached(capped, spec), suite, spec, role=role)
            self._clients[key] = self.counted(stored, role=role)
        return self._clients[key]

    def capped(self, spec: ModelSpec, *, embeds: bool = False, batched: bool = False) -> Client:
        """The model with its price, under the session's caps, neither stored nor counted. One that `embeds` gives
        vectors."""
        client: Client = _Opened(self, spec, embeds=embeds)
        if self.tracing is not None:
            client = self.tracing.client(client, embeds=embeds)
        together = False
        if self.batching is not None:
            client = self.batching.live(client)
            together = batched and self.batching.takes(spec)
            if together:
                client = self.batching.batched(client, lambda usage: cost_of(usage, self.price(spec)))
        return LimitedClient(
            PricedClient(client, lambda: self.price(spec)),
            self._caps,
            lambda: self.price(spec),
            likely_output=BATCHED_OUTPUT if together else 1,
            together=together,
        )

    def cached(self, client: Client, spec: ModelSpec, *, anew: bool = False) -> Client:
        """The client behind the cache, unless that is switched off. With `anew` the cache only takes."""
        if not self._options.cache:
            return client
        store = self._store(spec)
        return CachedClient(client, AnewStore(store) if anew or self._options.record == "rewrite" else store)

    def taped(self, client: Client, suite: Suite, spec: ModelSpec, *, role: str) -> Client:
        """The client behind the cassette of the suite's file, if one is used for this model."""
        tape = None if runs_live(spec) else self.cassettes.of(suite.path)
        if tape is None:
            return client
        return CachedClient(client, CassetteStore(tape, role=role, secrets=secrets_of(spec, os.environ)))

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

    def price(self, spec: ModelSpec) -> CostOf | None:
        """What calls of a model cost; None where no price is known."""
        key = repr(spec)
        if key not in self._prices:
            self._prices[key] = find_cost(spec, os.environ)
        return self._prices[key]

    def for_repair(self, suite: Suite, budget: BudgetSettings) -> RepairModels:
        """The same models under a repair's own budget; the meta model's calls belong to the suite's cassette."""
        return RepairModels(self, suite, budget)

    def used(self, role: str) -> Tally:
        """What a role used so far."""
        return self._ledger.of(role)

    def usage(self) -> TotalUsage:
        """What the session used so far."""
        total = self._ledger.total
        return TotalUsage(
            total.calls, total.cached, total.input_tokens, total.output_tokens, total.cost_usd, retries=total.retries
        )

    def waits_for(self) -> str | None:
        """What the calls wait for, such as `429: waiting 12 s, 8 under way`; None where nothing holds them up."""
        batches = None if self.batching is None else self.batching.state()
        return "; ".join(told for told in (batches, self._paces.state()) if told) or None

    async def close(self) -> None:
        """Let go of connections, and write what the cache still holds."""
        self._cache.close()
        for client in self._raw.values():
            close = getattr(client, "close", None)
            if close is not None:
                await close()
        if self.batching is not None:
            await self.batching.close()
        if self.tracing is not None:
            await asyncio.to_thread(self.tracing.close)

    def _store(self, spec: ModelSpec) -> ReplyStore:
        """Where a model's replies are kept: on disk if it is known what answers, else for this session."""
        key = repr(spec)
        if key not in self._stores:
            known = identity(spec, root=self._root, environ=os.environ)
            secrets = secrets_of(spec, os.environ)
            self._stores[key] = (
                self._memory if known is None else CacheStore(self._cache, identity=known, secrets=secrets)
            )
        return self._stores[key]


def _open_batching(options: Options, root: Path) -> Batching | None:
    if not options.batch:
        return None
    from pytest_metaprompt.plugin.batching import Batching

    return Batching(options, root=root)


class RepairModels:
    """The session's models under a repair's budget, with its own count."""

    def __init__(self, models: Models, suite: Suite, budget: BudgetSettings) -> None:
        self._models = models
        self._suite = suite
        self._caps = Caps(
            calls=budget.calls,
            tokens=budget.tokens,
            usd=budget.usd,
            option="fix.budget.{cap} in the suite",
            usd_name="usd",
        )
        self._ledger = Ledger()
        self._clients: dict[str, Client] = {}
        self._scorers = {
            anew: Scorers(
                judge=partial(self._client, role="judge", anew=anew),
                embedder=partial(self._client, role="judge", embeds=True, anew=anew),
            )
            for anew in (False, True)
        }

    def asker(self) -> Asker:
        """What the repair asks the target with, and everyone who is asked for a verdict on it."""
        return self._asker(anew=False)

    def prober(self) -> Asker:
        """The same, but never answered from the cache: only a new reply tells whether replies repeat."""
        return self._asker(anew=True)

    def _asker(self, *, anew: bool) -> Asker:
        return Asker(
            partial(self._client, role="target", anew=anew),
            self._scorers[anew].of,
            open_customer=partial(self._client, role="customer", anew=anew),
            watch=self._models.tracing.attempt if self._models.tracing is not None else None,
        )

    def meta(self, spec: ModelSpec) -> Client:
        """The meta model."""
        return self._client(self._suite, spec, role="meta")

    def used(self, role: str) -> Tally:
        """What a role used."""
        return self._ledger.of(role)

    @property
    def total(self) -> Tally:
        """What the repair used."""
        return self._ledger.total

    def _client(self, suite: Suite, spec: ModelSpec, *, role: str, embeds: bool = False, anew: bool = False) -> Client:
        key = f"{suite.path} {role} {embeds} {anew} {spec!r}"
        if key not in self._clients:
            stored = self._stored(suite, spec, role=role, embeds=embeds, anew=anew)
            self._clients[key] = CountedClient(self._models.counted(stored, role=role), self._ledger, role=role)
        return self._clients[key]

    def _stored(self, suite: Suite, spec: ModelSpec, *, role: str, embeds: bool, anew: bool) -> Client:
        models, capped = self._models, self._models.capped(spec, embeds=embeds)
        if runs_live(spec) or models.cassettes.of(suite.path) is None:
            return models.cached(self._limited(capped, spec, role=role), spec, anew=anew)
        taped = models.taped(models.cached(capped, spec, anew=anew), suite, spec, role=role)
        return self._limited(taped, spec, role=role)

    def _limited(self, client: Client, spec: ModelSpec, *, role: str) -> Client:
        likely = META_CALL.output_tokens if role == "meta" else 1
        return LimitedClient(client, self._caps, lambda: self._models.price(spec), likely_output=likely)


class _Opened:
    """A client that is opened when it is first asked, so that a missing key is an error of the call."""

    def __init__(self, models: Models, spec: ModelSpec, *, embeds: bool) -> None:
        self._models = models
        self._spec = spec
        self._embeds = embeds

    async def ask(self, request: Request) -> Reply:
        """The model's reply."""
        return await self._models.raw(self._spec, embeds=self._embeds).ask(request)
