"""What happened: requests, replies, attempts, verdicts, runs and repairs, frozen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from pytest_metaprompt.files import SourceText
from pytest_metaprompt.suites import Case, Form, Json, Message, ModelSpec, Suite

Outcome = Literal["passed", "failed", "error", "skipped"]
RepairStatus = Literal["applied", "proposed", "rejected", "not_needed", "budget", "error"]


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a model. `sample` tells repeated askings of the same question apart, from 0.

    Whoever makes a failed call again asks `before_retry` first, which raises `BudgetExhaustedError` where there is no
    room for it.
    """

    model: ModelSpec
    messages: tuple[Message, ...]
    params: Mapping[str, Json] = field(default_factory=dict)
    sample: int = 0
    before_retry: Callable[[], None] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool that the model asked for; `arguments` is None where they were not a JSON object."""

    name: str
    arguments: Mapping[str, Json] | None
    raw_arguments: str
    id: str | None = None

    @property
    def in_chat(self) -> dict[str, Json]:
        """The call as a message of the Chat Completions API holds it."""
        return {"id": self.id, "type": "function", "function": {"name": self.name, "arguments": self.raw_arguments}}


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counted them; 0 where it did not say.

    `input_tokens` holds those that the provider had cached, and `output_tokens` those of the model's reasoning.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered. A `cached` one was stored; its time and price are those of the call that was made once.

    `logprobs` are those of its tokens, where they were asked for; `retries` counts the calls that were made for it in
    vain. `output` is what a transform made of the reply, where that is not a text; `text` is its JSON then.
    """

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    usage: Usage = Usage()
    latency_s: float = 0.0
    cost_usd: float | None = None
    cached: bool = False
    logprobs: tuple[float, ...] = ()
    output: Json = None
    retries: int = 0


def summed(replies: Sequence[Reply]) -> Reply:
    """The last of the replies, with the tokens, the time and the price of all of them; `cached` if all were stored."""
    costs = [reply.cost_usd for reply in replies if reply.cost_usd is not None]
    return replace(
        replies[-1],
        usage=Usage(
            sum(reply.usage.input_tokens for reply in replies), sum(reply.usage.output_tokens for reply in replies)
        ),
        latency_s=sum(reply.latency_s for reply in replies),
        cost_usd=sum(costs) if len(costs) == len(replies) else None,
        cached=all(reply.cached for reply in replies),
    )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one assertion says of one attempt. `reason` names what differs; `children` are the verdicts of a set.

    `score` lies in 0..1, except that the user's own code in a promptfoo suite may score beyond, as it may there.
    """

    type: str
    passed: bool
    score: float
    reason: str
    weight: float = 1.0
    metric: str | None = None
    children: tuple[Verdict, ...] = ()


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call that a Python test made: what the test gave, as a case, what was sent, and what came back."""

    case: Case
    messages: tuple[Message, ...]
    reply: Reply | None = None
    error: str | None = None
    params: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One asking of a case. One of `reply` and `error` is set, or both where a check could not work.

    `skipped` says why the case was not judged: it cannot be on this machine (the model was not asked then), or it asks
    for nothing. `params` are those that the target was asked with.

    Of a conversation `reply` is the target's last turn, `transcript` all that was said after `messages`, and `calls`
    every tool call in it. `notes` says what a reader should know besides, such as a call of an undefined tool.

    For a Python test it is one run of the test, and `exchanges` holds every call that the test made, in order; `reply`
    has the text of the last and the sums of all, or is None where the test made none.
    """

    case: Case
    messages: tuple[Message, ...] = ()
    sample: int = 0
    reply: Reply | None = None
    error: str | None = None
    verdicts: tuple[Verdict, ...] = ()
    exchanges: tuple[Exchange, ...] = ()
    skipped: str | None = None
    params: Mapping[str, Json] = field(default_factory=dict)
    transcript: tuple[Message, ...] = ()
    calls: tuple[ToolCall, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether there is a reply and every assertion that carries weight holds, or the score reaches the case's
        threshold where it has one."""
        if self.case.threshold is not None and self.verdicts:
            return self.error is None and self.score >= self.case.threshold
        counted = [verdict for verdict in self.verdicts if verdict.weight > 0] or list(self.verdicts)
        return self.error is None and bool(counted) and all(verdict.passed for verdict in counted)

    @property
    def score(self) -> float:
        """The weighted mean of the verdicts' scores, in 0..1; 0 for an attempt without a verdict."""
        weight = sum(verdict.weight for verdict in self.verdicts)
        if self.error is not None or not self.verdicts:
            return 0.0
        if weight == 0:
            return sum(verdict.score for verdict in self.verdicts) / len(self.verdicts)
        return sum(verdict.score * verdict.weight for verdict in self.verdicts) / weight


@dataclass(frozen=True, slots=True)
class CaseResult:
    """A case with all its attempts."""

    case: Case
    attempts: tuple[Attempt, ...]
    outcome: Outcome

    @property
    def score(self) -> float:
        """The mean score of the attempts, in 0..1."""
        return sum(attempt.score for attempt in self.attempts) / len(self.attempts) if self.attempts else 0.0


@dataclass(frozen=True, slots=True)
class Run:
    """A suite's results under one routine, in the order of the suite's cases. Cases not run are absent."""

    suite: Suite
    results: tuple[CaseResult, ...]

    @property
    def passed(self) -> int:
        """How many cases passed."""
        return sum(result.outcome == "passed" for result in self.results)

    @property
    def judged(self) -> int:
        """How many cases have a result that counts: all but the skipped."""
        return sum(result.outcome != "skipped" for result in self.results)

    @property
    def complete(self) -> bool:
        """Whether every case of the suite has a result."""
        return len(self.results) == len(self.suite.cases)


@dataclass(frozen=True, slots=True)
class GateResult:
    """Whether a suite reached what it must; `reasons` says what was compared, one line each."""

    suite: Suite
    passed: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProposalRecord:
    """What became of one proposal. `change` is its diff, `evidence` what came out of training cases that it broke."""

    proposer: str
    hypothesis: str
    decision: Literal["accepted", "rejected"]
    reason: str
    fixed: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    change: str = ""
    evidence: tuple[Observation, ...] = ()


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A proposal that fixed training cases and was not kept, with the text that it changed."""

    proposer: str
    hypothesis: str
    base: str
    text: str
    fixed: frozenset[str]
    broken: frozenset[str] = frozenset()
    examples_from: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Subject:
    """A case in a repair. `key` is its id, with the suite before it where several suites share the routine."""

    key: str
    suite: Suite
    case: Case


@dataclass(frozen=True, slots=True)
class Observation:
    """How a subject last fared under the current routine."""

    subject: Subject
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class RepairState:
    """All that a proposer may know: the current routine and the training cases. Held-out cases are not in it.

    `max_length` is how many characters the instructions may have, where the suite says so (`fix.max_length`).
    """

    routine: str
    text: str
    form: Form
    editable: frozenset[str]
    failing: tuple[Observation, ...]
    passing: tuple[Observation, ...]
    rejected: tuple[ProposalRecord, ...] = ()
    helped: tuple[str, ...] = ()
    round: int = 1
    seed: int = 0
    near_misses: tuple[NearMiss, ...] = ()
    max_length: int | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """A whole new text of a routine file, and why it should help. `examples_from` names the training cases whose input
    and answer it shows. One with a `flaw` could not be made into a text: it is refused, and told of, for that."""

    proposer: str
    hypothesis: str
    text: str
    predicts: tuple[str, ...] = ()
    examples_from: frozenset[str] = frozenset()
    flaw: str | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """How many of how many."""

    passed: int
    total: int

    def __str__(self) -> str:
        return f"{self.passed}/{self.total}"


@dataclass(frozen=True, slots=True)
class HoldoutCount:
    """What a repair did to the cases that nothing was learned from."""

    fixed: int
    broken: int
    total: int


@dataclass(frozen=True, slots=True)
class TracePoint:
    """How many cases passed under the best proved routine when a repair had used so many calls."""

    calls: int
    passed: int
    total: int


@dataclass(frozen=True, slots=True)
class RepairOutcome:
    """What became of one routine, with the evidence. Case names are ids, with the suite where several share it.

    `written` is the routine's file as an applied repair left it.
    """

    routine: str
    status: RepairStatus
    reason: str
    before: Count
    after: Count
    fixed: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    flaky: tuple[str, ...] = ()
    holdout: HoldoutCount | None = None
    proposals: tuple[ProposalRecord, ...] = ()
    target_calls: int = 0
    meta_calls: int = 0
    cost_usd: float | None = None
    seconds: float = 0.0
    diff: str = ""
    runs: tuple[Run, ...] = ()
    judge_calls: int = 0
    customer_calls: int = 0
    trace: tuple[TracePoint, ...] = ()
    written: SourceText | None = None
    cached_calls: int = 0


@dataclass(frozen=True, slots=True)
class Unguarded:
    """What could be lost from a routine without a case noticing: sentences, and tools that no case expects or calls.

    `left` sentences were not examined, because the budget ended or a call failed.
    """

    routine: str
    sentences: tuple[str, ...]
    tools: tuple[str, ...]
    examined: int
    left: int
