"""What the user wrote: suites, cases, assertions and messages, checked and frozen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pytest_metaprompt.errors import Place

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]
"""A value as JSON has it."""

Role = str
"""`system`, `user`, `assistant`, `tool` or `developer`."""

Split = Literal["train", "holdout"]
"""Which side of a repair a case is on: the meta model sees `train`, never `holdout`."""


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message. `extra` holds what some roles add: `tool_calls`, `tool_call_id`, `name`."""

    role: Role
    content: str
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Price:
    """What a million tokens cost, in dollars. `cached_input_per_mtok` None means as much as other input."""

    input_per_mtok: float
    output_per_mtok: float
    cached_input_per_mtok: float | None = None


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model and how to call it; `params` are sent as they stand, and nothing else is.

    `context` is how many tokens a request and its answer may have together; a meta model's requests are sized by it.
    """

    provider: str
    name: str
    params: Mapping[str, Json] = field(default_factory=dict)
    base_url: str | None = None
    api_key_env: str | None = None
    price: Price | None = None
    context: int | None = None

    def __str__(self) -> str:
        return f"{self.provider}:{self.name}"


@dataclass(frozen=True, slots=True)
class Assertion:
    """One check of a reply. `kind` is the type without its `not-`; `settings` holds the type's own fields."""

    kind: str
    value: Json = None
    negated: bool = False
    threshold: float | None = None
    weight: float = 1.0
    metric: str | None = None
    settings: Mapping[str, Json] = field(default_factory=dict)
    where: Place | None = None

    @property
    def type(self) -> str:
        """The type as the user writes it, such as `not-contains`."""
        return f"not-{self.kind}" if self.negated else self.kind


@dataclass(frozen=True, slots=True)
class Case:
    """One situation and what must hold for the reply. `answer` is the whole right reply, where it is known."""

    id: str
    where: Place
    vars: Mapping[str, Json] = field(default_factory=dict)
    input: str | None = None
    messages: tuple[Message, ...] = ()
    assertions: tuple[Assertion, ...] = ()
    answer: str | None = None
    tags: tuple[str, ...] = ()
    split: Split | None = None
    protected: bool = False


Form = Literal["plain", "user", "chat", "messages-json", "messages-yaml"]
"""How a routine's text is read: one system prompt, one user message, a `.prompty` chat, or a list of chat messages
(at the top, or under the key `messages`) in JSON or YAML."""

Keys = tuple[str | int, ...]
"""The way from the top of a file to a value: keys of mappings, and places in lists from 0."""


@dataclass(frozen=True, slots=True)
class YamlAt:
    """A text in a YAML file."""

    keys: Keys


@dataclass(frozen=True, slots=True)
class JsonAt:
    """A text in a JSON file."""

    keys: Keys


@dataclass(frozen=True, slots=True)
class PythonName:
    """A text constant of a Python module: `NAME`, or `Class.NAME` for an attribute."""

    name: str


@dataclass(frozen=True, slots=True)
class SectionAt:
    """One of the texts, from 0, that lines with nothing but the separator keep apart. Empty ones do not count."""

    index: int
    separator: str = "---"


Locator = YamlAt | JsonAt | PythonName | SectionAt
"""Where in a file a text stands, if it is not the whole file."""


@dataclass(frozen=True, slots=True)
class RoutineRef:
    """Where the routine is: a file, or a text inside of one (`at`).

    `form` None goes by the file's ending. `inline` without a `path` is a text that stands in no file.
    """

    path: Path | None = None
    inline: str | None = None
    where: Place | None = None
    at: Locator | None = None
    form: Form | None = None


@dataclass(frozen=True, slots=True)
class GateSettings:
    """What a suite must reach. Accuracies and scores lie in 0..1; `confidence` such as 0.95 uses the lower bound.

    `tags` asks the same of the cases that have a tag; `max_regressions` is against a baseline.
    """

    min_accuracy: float | None = None
    min_score: float | None = None
    max_errors: int | None = None
    confidence: float | None = None
    max_regressions: int | None = None
    tags: Mapping[str, GateSettings] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BudgetSettings:
    """The most that a repair may use; None leaves a limit to the default."""

    calls: int | None = None
    tokens: int | None = None
    seconds: float | None = None
    usd: float | None = None


@dataclass(frozen=True, slots=True)
class FixSettings:
    """How a suite's routine may be repaired. `edit` None means: system and, in a chat form, examples; `proposers` None
    means: those that are asked by default."""

    edit: tuple[str, ...] | None = None
    holdout: float = 0.25
    max_length: int | None = None
    budget: BudgetSettings = BudgetSettings()
    proposers: tuple[str, ...] | None = None


SuiteKey = tuple[Path, str]
"""What tells suites apart: the file, and which of the suites in it."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A checked suite: its cases and everything needed to run and repair them.

    `part` names it among the suites of its file; it is empty where the file is one suite.
    """

    path: Path
    routine: RoutineRef
    cases: tuple[Case, ...]
    target: ModelSpec | None = None
    meta: ModelSpec | None = None
    judge: ModelSpec | None = None
    objective: str | None = None
    source: Path | None = None
    repeat: int = 1
    min_pass: int | None = None
    gate: GateSettings | None = None
    fix: FixSettings = FixSettings()
    part: str = ""

    @property
    def key(self) -> SuiteKey:
        """What the suite is known by."""
        return self.path, self.part

    @property
    def required_passes(self) -> int:
        """How many attempts of a case must pass: `min_pass`, or all of them."""
        return self.repeat if self.min_pass is None else min(self.min_pass, self.repeat)
