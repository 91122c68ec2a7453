"""Who proposes in a repair: the proposers that the suites name, the built-in ones by default, and those of plugins."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pytest

from pytest_metaprompt.clients.structured import StructuredClient
from pytest_metaprompt.errors import MetapromptError, SetupError, did_you_mean
from pytest_metaprompt.plugin.models import RepairModels
from pytest_metaprompt.protocols import Proposer
from pytest_metaprompt.repair.job import GEPA, MERGE, META, Asker
from pytest_metaprompt.repair.proposers.demonstrations import Demonstrations
from pytest_metaprompt.repair.proposers.edits import Edits
from pytest_metaprompt.repair.proposers.gepa_engine import Gepa
from pytest_metaprompt.repair.proposers.merge import Merge
from pytest_metaprompt.repair.proposers.reflect import Reflect
from pytest_metaprompt.results import Proposal, RepairState
from pytest_metaprompt.suites import ModelSpec, Suite

DEFAULT = ("demonstrations", "edits", META)


def choose_proposers(
    suites: Sequence[Suite], models: RepairModels, config: pytest.Config, *, asker: Asker, limit: int
) -> dict[str, Proposer]:
    """The proposers by name, those that need no model first. `merge` works on what the others propose.

    Raises:
        SetupError: A suite names a proposer that nobody has, or one that needs a meta model without having one.
    """
    hooked = _hooked(config)
    meta = next((suite.meta for suite in suites if suite.meta is not None), None)
    makers: dict[str, Callable[[ModelSpec], Proposer]] = {
        "demonstrations": lambda spec: Demonstrations(),
        "edits": lambda spec: Edits(),
        META: lambda spec: Reflect(StructuredClient(models.meta(spec)), spec),
        GEPA: lambda spec: Gepa(asker, models.meta(spec), spec, limit),
    }
    named = _named(suites)
    for name in named or ():
        _check(name, named=[*makers, *hooked], has_meta=meta is not None)
    chosen = named or (*DEFAULT, *hooked)
    nobody = ModelSpec("", "")
    built_in = {
        name: make(meta or nobody)
        for name, make in makers.items()
        if name in chosen and (meta is not None or name not in (META, GEPA))
    }
    added = {name: proposer for name, proposer in hooked.items() if name in chosen and name not in built_in}
    return {MERGE: Merge(), **added, **built_in}


def _named(suites: Sequence[Suite]) -> tuple[str, ...] | None:
    """What every suite that names proposers allows; None where no suite does."""
    lists = [suite.fix.proposers for suite in suites if suite.fix.proposers is not None]
    return tuple(name for name in lists[0] if all(name in others for others in lists)) if lists else None


def _check(name: str, *, named: Sequence[str], has_meta: bool) -> None:
    if name not in named:
        raise SetupError(f"fix.proposers names {name!r}, which is unknown", hint=did_you_mean(name, named))
    if name in (META, GEPA) and not has_meta:
        raise SetupError(
            f"fix.proposers names {name!r}, but no meta model", hint="set meta:, or pass --metaprompt-meta"
        )


def _hooked(config: pytest.Config) -> dict[str, Proposer]:
    found: dict[str, Proposer] = {}
    for proposers in config.hook.pytest_metaprompt_proposers():
        if not isinstance(proposers, Mapping):
            raise SetupError("pytest_metaprompt_proposers must return a dict of names and proposers")
        found.update({str(name): _Fenced(str(name), proposer) for name, proposer in proposers.items()})
    return found


@dataclass(frozen=True, slots=True)
class _Fenced:
    """A proposer of the user's: what it raises, or gives that is no proposal, ends its part and not the repair."""

    name: str
    proposer: Proposer

    async def propose(self, state: RepairState) -> Sequence[Proposal]:
        """What the proposer suggests."""
        try:
            found = list(await self.proposer.propose(state))
        except MetapromptError:
            raise
        except Exception as error:  # the fence around the user's code
            raise SetupError(f"the proposer {self.name!r} raised {type(error).__name__}: {error}") from error
        for proposal in found:
            if not isinstance(proposal, Proposal):
                raise SetupError(f"the proposer {self.name!r} gave {type(proposal).__name__}, which is no Proposal")
        return found
