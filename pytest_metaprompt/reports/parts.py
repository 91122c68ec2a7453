"""The JSON report's shape, typed, for the reports that are made from it."""

from __future__ import annotations

from typing import TypedDict

from pytest_metaprompt.suites import Json


class CountPart(TypedDict):
    """How many of how many."""

    passed: int
    total: int


class SharePart(CountPart):
    """A share with its 95 % interval, in 0..1."""

    value: float
    low: float
    high: float


class TracePart(SharePart):
    """The accuracy of the best proved routine when so many calls had been used."""

    calls: int


class BaselinePart(TypedDict):
    """How a suite differs from its baseline: case ids."""

    regressions: list[str]
    improvements: list[str]
    stale: list[str]
    new: list[str]
    gone: list[str]


class VerdictPart(TypedDict):
    """What one assertion says; `value` is what it asked for, where it fails."""

    type: str
    passed: bool
    score: float
    reason: str
    weight: float
    metric: str | None
    value: Json


class AttemptPart(TypedDict):
    """One asking of a case."""

    messages: list[dict[str, Json]]
    text: str
    tool_calls: list[dict[str, Json]]
    finish_reason: str | None
    latency_s: float
    cached: bool
    usage: dict[str, int]
    cost_usd: float | None
    error: str | None
    verdicts: list[VerdictPart]


class CasePart(TypedDict):
    """A case with all its attempts."""

    id: str
    outcome: str
    score: float
    tags: list[str]
    attempts: list[AttemptPart]


class SuitePart(TypedDict):
    """A suite as tested."""

    path: str
    routine: str
    target: str | None
    accuracy: SharePart
    cases: list[CasePart]
    baseline: BaselinePart | None


class GatePart(TypedDict):
    """A gate as it stands at the end."""

    suite: str
    passed: bool
    reasons: list[str]


class HoldoutPart(TypedDict):
    """What a repair did to the held-out cases."""

    fixed: int
    broken: int
    total: int


class ProposalPart(TypedDict):
    """What became of a proposal."""

    proposer: str
    hypothesis: str
    decision: str
    reason: str


class CallsPart(TypedDict):
    """Calls of a repair, and its replies from the cache or a cassette."""

    target: int
    meta: int
    cached: int


class RepairPart(TypedDict):
    """What became of a routine."""

    routine: str
    status: str
    reason: str
    before: CountPart
    after: CountPart
    fixed: list[str]
    broken: list[str]
    flaky: list[str]
    holdout: HoldoutPart | None
    proposals: list[ProposalPart]
    calls: CallsPart
    cost_usd: float | None
    seconds: float
    diff: str
    trace: list[TracePart]


class UsagePart(TypedDict):
    """What the session used."""

    calls: int
    cached: int
    input_tokens: int
    output_tokens: int
    cost_usd: float | None


class Report(TypedDict):
    """The whole report."""

    version: int
    suites: list[SuitePart]
    gates: list[GatePart]
    repairs: list[RepairPart]
    usage: UsagePart
