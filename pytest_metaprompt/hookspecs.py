"""The hooks that a `conftest.py` or another plugin may implement."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_metaprompt.protocols import Client, Proposer
    from pytest_metaprompt.suites import ModelSpec


@pytest.hookspec
def pytest_metaprompt_clients() -> Mapping[str, Callable[[ModelSpec], Client]]:  # type: ignore[empty-body]  # a spec
    """Providers of models: names that may stand before the colon of a model, each with what opens a client.

    It is called once, when the first suite is met. The opener is called when a model is first asked; its client needs
    `async def ask(self, request: Request) -> Reply`, and may have `async def close(self)`. What it raises becomes an
    error of the case.

        class Acme:
            async def ask(self, request):
                return Reply(await acme.complete(request.model.name, request.messages[-1].content))

        def pytest_metaprompt_clients():
            return {"acme": lambda spec: Acme()}
    """


@pytest.hookspec
def pytest_metaprompt_proposers() -> Mapping[str, Proposer]:  # type: ignore[empty-body]  # a spec
    """Proposers of repairs, by name. They are asked in every repair besides the built-in ones, unless
    `fix.proposers` of the suite names others.

    It is called once for each repair. A proposer needs `async def propose(self, state: RepairState) ->
    Sequence[Proposal]`. A proposal of theirs is validated and measured like any other, and is kept only if it is
    proved. A proposer that raises is not asked again in this repair, and the reason is shown.

        class Shout:
            async def propose(self, state):
                return [Proposal("shout", "it has to be said louder", state.text.upper())]

        def pytest_metaprompt_proposers():
            return {"shout": Shout()}
    """
