"""A suite in the making: what a converter understood of a foreign file, and what it had to leave out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pytest_metaprompt.errors import MetapromptError, Place
from pytest_metaprompt.suites import Json, Message

_NEGATION = "not-"
_FIELDS = ("type", "value", "threshold", "weight", "metric")


@dataclass(frozen=True, slots=True)
class Source:
    """A foreign file, read: its content, the assertions that a suite can have, and where the suite will stand."""

    path: Path
    content: Json
    known: Collection[str]
    folder: Path
    name: str | None = None
    """Which of several evals in the file is wanted."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something of a foreign file that the suite does not have, or has in another way, and why."""

    what: str
    why: str


@dataclass(slots=True)
class Draft:
    """The parts of a suite, gathered one by one. `prompt` are the messages of its routine."""

    source: Source
    prompt: tuple[Message, ...] = ()
    description: str | None = None
    target: Json = None
    judge: str | None = None
    asserts: list[Json] = field(default_factory=list)
    vars: Mapping[str, Json] = field(default_factory=dict)
    cases: list[Json] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    def leave_out(self, what: str, why: str) -> None:
        """Notes what is left out; the same thing once."""
        if (left := LeftOut(what, why)) not in self.left_out:
            self.left_out.append(left)

    def assertion(self, kind: str, value: Json = None, *, of: str, **more: Json) -> dict[str, Json] | None:
        """An assertion as a suite writes it; None, and noted as left out, where a suite cannot have its type."""
        if kind.removeprefix(_NEGATION) not in self.source.known:
            self.leave_out(of, f"there is no assertion {kind!r}")
            return None
        found = {"type": kind, "value": value, **more}
        return {key: item for key, item in found.items() if item is not None}

    def rubric(self, text: str, *, of: str, judge: str | None, instead_of: str, **more: Json) -> dict[str, Json] | None:
        """A judged assertion in place of one whose judge answers in words of its own, which is noted."""
        found = self.assertion("llm-rubric", text, of=of, **more)
        if found:
            self.leave_out(f"{of}: {instead_of}", "llm-rubric passes or fails in words of its own")
            self.judge = self.judge or judge
        if found and judge != self.judge:
            self.leave_out(f"{of}: its judge {judge}", f"a suite has one judge, {self.judge}")
        return found

    def copied_assertion(self, written: Mapping[str, Json], *, of: str) -> dict[str, Json] | None:
        """An assertion of a tool with the same vocabulary, as it is; None, and noted, where it says more than fits."""
        kind = written.get("type")
        if extra := sorted(written.keys() - {*_FIELDS}):
            self.leave_out(f"{of}: {kind}", f"a suite knows no {', '.join(map(repr, extra))} there")
            return None
        more = {key: written[key] for key in _FIELDS[2:] if key in written}
        return self.assertion(str(kind), written.get("value"), of=f"{of}: {kind}", **more)

    def add_case(self, case: Mapping[str, Json], *, of: str) -> None:
        """Adds a case; one that nothing would be checked of is left out."""
        if self.asserts or case.get("assert") or "expect" in case:
            self.cases.append({key: value for key, value in case.items() if value not in (None, [], {})})
        else:
            self.leave_out(of, "nothing of it can be checked")

    def refuse(self, message: str, *, hint: str | None = None) -> MetapromptError:
        """The error for a file of which no suite can be made, with what was left out so far."""
        reasons = "".join(f"\n  {left.what}: {left.why}" for left in self.left_out)
        return MetapromptError(message + reasons, where=Place(str(self.source.path)), hint=hint)


def as_mapping(value: Json) -> Mapping[str, Json]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def as_list(value: Json) -> list[Json]:
    """The value if it is a list, nothing as an empty one, and anything else as the one item of a list."""
    if isinstance(value, list | tuple):
        return list(value)
    return [] if value is None else [value]


def as_str(value: Json) -> str | None:
    """The value if it is a text."""
    return value if isinstance(value, str) else None
