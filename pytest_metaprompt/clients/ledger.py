"""Counts what was asked, of whom, and what it used."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from pytest_metaprompt.clients.calls import CancelledCallError
from pytest_metaprompt.errors import CallNotMadeError, ModelCallError
from pytest_metaprompt.protocols import Client
from pytest_metaprompt.results import Reply, Request


@dataclass(frozen=True, slots=True)
class Tally:
    """What a number of calls used. `calls` counts the answers that were wanted of a model, `retries` the calls that
    were made again for them. `cost_usd` is None as soon as the price of one of them is not known."""

    calls: int = 0
    cached: int = 0
    errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = 0.0
    retries: int = 0

    def __add__(self, other: Tally) -> Tally:
        known = self.cost_usd is not None and other.cost_usd is not None
        return Tally(
            self.calls + other.calls,
            self.cached + other.cached,
            self.errors + other.errors,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            (self.cost_usd or 0.0) + (other.cost_usd or 0.0) if known else None,
            self.retries + other.retries,
        )


class Ledger:
    """What was used so far, in all and by role: `target`, `meta`, `judge`."""

    def __init__(self) -> None:
        self._by_role: dict[str, Tally] = {}

    def add(self, role: str, tally: Tally) -> None:
        """Adds to what a role used."""
        self._by_role[role] = self.of(role) + tally

    def of(self, role: str) -> Tally:
        """What a role used."""
        return self._by_role.get(role, Tally())

    @property
    def total(self) -> Tally:
        """What all roles used."""
        return sum(self._by_role.values(), Tally())


class CountedClient:
    """Enters every call in a ledger. A reply from a store counts as `cached`, not as a call, and uses nothing."""

    def __init__(self, inner: Client, ledger: Ledger, *, role: str) -> None:
        self._inner = inner
        self._ledger = ledger
        self._role = role

    async def ask(self, request: Request) -> Reply:
        """The inner client's reply.

        Raises:
            ModelCallError: As the inner client does.
            SetupError: As the inner client does.
        """
        try:
            reply = await self._inner.ask(request)
        except CallNotMadeError:
            raise
        except ModelCallError as error:
            self._ledger.add(self._role, Tally(calls=1, errors=1, retries=error.retries))
            raise
        except asyncio.CancelledError as error:
            self._ledger.add(self._role, _cancelled(error))
            raise
        self._ledger.add(self._role, _tally(reply))
        return reply


def _cancelled(error: asyncio.CancelledError) -> Tally:
    """What a call used that was made, perhaps several times, and whose price nobody knows."""
    made = error.made if isinstance(error, CancelledCallError) else 1
    return Tally(calls=1, cost_usd=None, retries=made - 1) if made else Tally()


def _tally(reply: Reply) -> Tally:
    if reply.cached:
        return Tally(cached=1)
    return Tally(
        calls=1,
        input_tokens=reply.usage.input_tokens,
        output_tokens=reply.usage.output_tokens,
        cost_usd=reply.cost_usd,
        retries=reply.retries,
    )
