"""What the user wrote: suites, cases, assertions and messages, checked and frozen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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


PYTHON_TEST = "python-test"
"""The type of the one assertion of a Python test: its `value` holds the texts that the test compares with, its setting
`source` the test's own source."""


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message. `extra` holds what some roles add: `tool_calls`, `tool_call_id`, `name`."""

    role: Role
    content: str
    extra: Mapping[str, Json] = field(default_factory=dict)

    @property
    def in_chat(self) -> dict[str, Json]:
        """The message as the Chat Completions API, and a suite, write it."""
        return {"role": self.role, "content": self.content, **self.extra}


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
    api_key: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.provider}:{self.name}"

    @property
    def tool_names(self) -> tuple[str, ...]:
        """The names of the tools that the model may call, in the order of its parameters."""
        tools = self.params.get("tools")
        listed = tools if isinstance(tools, list | tuple) else ()
        functions = [tool.get("function") for tool in listed if isinstance(tool, Mapping)]
        names = [function.get("name") for function in functions if isinstance(function, Mapping)]
        return tuple(name for name in names if isinstance(name, str))


Dialect = Literal["native", "promptfoo"]
"""Whose rules an assertion follows where the two differ: ours, or those of the promptfoo file that it stands in."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """One check of a reply. `kind` is the type without its `not-`; `settings` holds the type's own fields.

    `transform` is code that changes the output before this check alone; `children` are those of an `assert-set`.
    """

    kind: str
    value: Json = None
    negated: bool = False
    threshold: float | None = None
    weight: float = 1.0
    metric: str | None = None
    settings: Mapping[str, Json] = field(default_factory=dict)
    where: Place | None = None
    transform: str | None = None
    children: tuple[Assertion, ...] = ()
    dialect: Dialect = "native"

    @property
    def type(self) -> str:
        """The type as the user writes it, such as `not-contains`."""
        return f"not-{self.kind}" if self.negated else self.kind

    @property
    def parts(self) -> Iterator[Assertion]:
        """The assertion, and all those in it, however deep."""
        yield self
        for child in self.children:
            yield from child.parts


MAX_TURNS = 10
MAX_TOOL_CALLS = 50


@dataclass(frozen=True, slots=True)
class Simulation:
    """The other side of a conversation: a customer, scripted (`turns`) or played by `model` from a `persona`, and
    tools that answer what the case says.

    `tools` holds what each tool returns. A call of a tool in `end_on` ends the conversation; so does the customer, or
    the end of the last of `max_turns` turns, or the `max_tool_calls`-th call.
    """

    persona: str | None = None
    turns: tuple[str, ...] = ()
    model: ModelSpec | None = None
    max_turns: int = MAX_TURNS
    max_tool_calls: int = MAX_TOOL_CALLS
    tools: Mapping[str, Json] = field(default_factory=dict)
    end_on: tuple[str, ...] = ()
    where: Place | None = None


@dataclass(frozen=True, slots=True)
class ColumnTest:
    """What a promptfoo test says beside its vars and assertions. Its texts are templates.

    `output` stands in for the reply where it is not None. `store_as` names a variable of later tests, `conversation`
    the one that the test belongs to. `config` goes over what the prompt and its provider send, `target` takes the place
    of the suite's. `scoring` is a function (`file.py:name`) that has the last word.
    """

    prefix: str = ""
    suffix: str = ""
    transform: str | None = None
    transform_vars: str | None = None
    store_as: str | None = None
    conversation: str | None = None
    sees_conversation: bool = True
    output: Json = None
    config: Mapping[str, Json] = field(default_factory=dict)
    metadata: Mapping[str, Json] = field(default_factory=dict)
    target: ModelSpec | None = None
    scoring: str | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """A prompt of a promptfoo config with one of its providers. Relative paths start from `folder`.

    The prompt's text is the suite's routine, or comes from `function` (`file.py:name`) or `command`. `serial` says that
    its tests see what came before them, and `derived` holds the metrics computed from others, by name. `concurrency` is
    how many tests of the config may be under way at once, and `notes` what the user should be told about it.
    """

    folder: Path
    prompt: str
    provider: str
    function: str | None = None
    command: str | None = None
    config: Mapping[str, Json] = field(default_factory=dict)
    transform: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    serial: bool = False
    delay_s: float = 0.0
    derived: tuple[tuple[str, str], ...] = ()
    concurrency: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """One situation and what must hold for the reply. `answer` is the whole right reply, where it is known.

    With a `threshold` the case passes when its weighted score reaches it, whatever single assertions say.
    """

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
    threshold: float | None = None
    column_test: ColumnTest | None = None
    simulation: Simulation | None = None


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

    `replaced` is the target that an option replaced. `part` names the suite among those of its file; it is empty where
    the file is one suite.
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
    column: Column | None = None
    embedding: ModelSpec | None = None
    replaced: ModelSpec | None = None

    @property
    def key(self) -> SuiteKey:
        """What the suite is known by."""
        return self.path, self.part

    @property
    def required_passes(self) -> int:
        """How many attempts of a case must pass: `min_pass`, or all of them."""
        return self.repeat if self.min_pass is None else min(self.min_pass, self.repeat)
