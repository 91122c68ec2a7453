"""The settings of a suite: how often, how well, and how it may be repaired."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_metaprompt.formats.marked import Marked
from pytest_metaprompt.formats.problems import Problems
from pytest_metaprompt.suites import BudgetSettings, FixSettings, GateSettings


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping of a suite that was checked; keys that are absent give None, or a section without keys."""

    entries: Mapping[str, Marked] = field(default_factory=dict)
    key_lines: Mapping[str, int] = field(default_factory=dict)

    def text(self, key: str) -> str | None:
        """The text under a key."""
        return self.entries[key].text() if key in self.entries else None

    def number(self, key: str) -> float | None:
        """The number under a key."""
        return self.entries[key].number() if key in self.entries else None

    def whole(self, key: str) -> int | None:
        """The whole number under a key; it may be written as 3.0."""
        return int(self.entries[key].number()) if key in self.entries else None

    def items(self, key: str) -> tuple[Marked, ...]:
        """The items of the list under a key."""
        return self.entries[key].items() if key in self.entries else ()

    def section(self, key: str) -> Section:
        """The mapping under a key."""
        if key not in self.entries:
            return Section()
        return Section(self.entries[key].mapping(), self.entries[key].key_lines)


def read_repeat(top: Section, problems: Problems) -> tuple[int, int | None]:
    """`repeat` and `min_pass`."""
    repeat, min_pass = top.whole("repeat") or 1, top.whole("min_pass")
    if min_pass is not None and min_pass > repeat:
        where = problems.at(top.key_lines["min_pass"])
        hint = f"raise repeat to {min_pass} or more" if "repeat" in top.entries else f"add  repeat: {min_pass}  or more"
        problems.add(where, f"min_pass must be at most repeat, which is {repeat}, not {min_pass}", hint=hint)
    return repeat, min_pass


def read_gate(top: Section, problems: Problems) -> GateSettings | None:
    """The gate, if there is one."""
    if "gate" not in top.entries:
        return None
    gate = top.section("gate")
    return _read_reach(gate, top.key_lines["gate"], "the gate", problems)


def _read_reach(gate: Section, line: int, name: str, problems: Problems) -> GateSettings:
    tags = gate.section("tags")
    if not gate.entries.keys() - {"confidence", "tags"} and not tags.entries:
        # Such a gate would let every run pass.
        hint = "give it min_accuracy, min_score, max_errors or max_regressions"
        problems.add(problems.at(line), f"{name} asks for nothing", hint=hint)
    return GateSettings(
        min_accuracy=gate.number("min_accuracy"),
        min_score=gate.number("min_score"),
        max_errors=gate.whole("max_errors"),
        confidence=gate.number("confidence"),
        max_regressions=gate.whole("max_regressions"),
        tags={
            tag: _read_reach(tags.section(tag), tags.key_lines[tag], f"the gate of the tag {tag!r}", problems)
            for tag in tags.entries
        },
    )


def read_fix(top: Section) -> FixSettings:
    """How the routine may be repaired."""
    fix = top.section("fix")
    budget = fix.section("budget")
    holdout = fix.number("holdout")
    return FixSettings(
        edit=tuple(node.text() for node in fix.items("edit")) or None,
        holdout=FixSettings().holdout if holdout is None else holdout,
        max_length=fix.whole("max_length"),
        budget=BudgetSettings(
            calls=budget.whole("calls"),
            tokens=budget.whole("tokens"),
            seconds=budget.number("seconds"),
            usd=budget.number("usd"),
        ),
        proposers=tuple(node.text() for node in fix.items("proposers")) or None,
    )
