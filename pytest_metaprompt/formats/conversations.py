"""`turns` and `simulate`: a case that is a whole conversation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pytest_metaprompt.errors import MetapromptError, did_you_mean
from pytest_metaprompt.formats.filling import Filling
from pytest_metaprompt.formats.marked import Marked
from pytest_metaprompt.formats.models import ModelReader
from pytest_metaprompt.formats.settings import Section
from pytest_metaprompt.suites import MAX_TOOL_CALLS, MAX_TURNS, Json, ModelSpec, Simulation

_KEYS = ("turns", "simulate")
_RETURNS = "returns"


@dataclass(frozen=True, slots=True)
class ConversationReader:
    """Reads the conversations of one suite. `defaults` is what its `defaults` say under `simulate`."""

    defaults: Section
    models: ModelReader

    def read(self, entries: Mapping[str, Marked], key_lines: Mapping[str, int], filling: Filling) -> Simulation | None:
        """The conversation of a case; None where the case is none, or a problem was noted.

        Defaults alone make no conversation: a case has `turns` or a `simulate` of its own, which may be empty.
        """
        written = Section(entries, key_lines)
        key = next((key for key in _KEYS if key in entries), None)
        if key is None:
            return None
        own = written.section("simulate")
        settings = Section({**self.defaults.entries, **own.entries}, {**self.defaults.key_lines, **own.key_lines})
        problems = filling.problems
        where = problems.at(key_lines[key])
        turns = tuple(filling.text(turn.mapping()["user"]) for turn in written.items("turns"))
        # A scripted customer takes the place of one that the defaults describe.
        persona = filling.text(settings.entries["user"]) if "user" in settings.entries and not turns else None
        if turns and "user" in own.entries:
            problems.add(
                where, "the customer is both scripted and played", hint="give turns or simulate.user, not both"
            )
        if not turns and persona is None:
            problems.add(where, "nobody speaks with the target", hint="give the case turns, or simulate a key user")
        return Simulation(
            persona=persona,
            turns=turns,
            model=self._model(settings) if persona is not None else None,
            max_turns=settings.whole("max_turns") or MAX_TURNS,
            max_tool_calls=settings.whole("max_tool_calls") or MAX_TOOL_CALLS,
            tools=self._tools(settings, filling),
            end_on=tuple(filling.text(name) for name in settings.items("end_on")),
            where=where,
        )

    def _model(self, settings: Section) -> ModelSpec | None:
        if "model" not in settings.entries:
            return None
        return self.models.read(settings.entries["model"], settings.key_lines["model"])

    def _tools(self, settings: Section, filling: Filling) -> dict[str, Json]:
        """What each tool returns; the defaults' tools and the case's own."""
        return {name: filling.json(_answer(node)) for name, node in self._written_tools(settings, filling)}

    def _written_tools(self, settings: Section, filling: Filling) -> Iterator[tuple[str, Marked]]:
        shared = self.defaults.section("tools").entries
        for name, node in {**shared, **settings.section("tools").entries}.items():
            problem = _flaw(name, node)
            if problem is None:
                yield name, node
            else:
                filling.problems.add_error(problem, filling.problems.at(node.line))


def _flaw(name: str, node: Marked) -> MetapromptError | None:
    if not isinstance(node.value, dict) or _RETURNS not in node.value:
        others = list(node.value) if isinstance(node.value, dict) else []
        hint = did_you_mean(others[0], [_RETURNS]) if others else f"write  {name}: {{returns: ...}}"
        return MetapromptError(f"the tool {name!r} does not say what it returns", hint=hint)
    others = [key for key in node.value if key != _RETURNS]
    return MetapromptError(f"unknown key {others[0]!r}", hint=did_you_mean(others[0], [_RETURNS])) if others else None


def _answer(node: Marked) -> Marked:
    return node.mapping()[_RETURNS]
