"""The JSON report's shape, typed, for the reports that are made from it."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from pytest_metaprompt.reports.figures import calls_words
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
    """How a suite differs from its baseline: case ids, and in `notes` what else was changed since."""

    regressions: list[str]
    improvements: list[str]
    by_chance: list[str]
    stale: list[str]
    new: list[str]
    gone: list[str]
    unjudged: list[str]
    notes: list[str]


class VerdictPart(TypedDict):
    """What one assertion says; `value` is what it asked for, where it fails. A set has `children`."""

    type: str
    passed: bool
    score: float
    reason: str
    weight: float
    metric: str | None
    value: Json
    children: NotRequired[list[VerdictPart]]


class ReplyPart(TypedDict):
    """What a model answered."""

    text: str
    tool_calls: list[dict[str, Json]]
    finish_reason: str | None
    latency_s: float
    cached: bool
    usage: dict[str, int]
    cost_usd: float | None


class CallPart(ReplyPart):
    """One call, with what was sent."""

    messages: list[dict[str, Json]]
    error: str | None


class AttemptPart(CallPart):
    """One asking of a case, or one run of a Python test: `calls` then holds each call that the test made."""

    skipped: str | None
    passed: bool
    metrics: dict[str, float]
    transcript: list[dict[str, Json]]
    notes: list[str]
    verdicts: list[VerdictPart]
    calls: list[CallPart]


class CasePart(TypedDict):
    """A case with all its attempts. `rate` is of the answered ones, `stability` passing, failing or flaky; `now` is its
    outcome under the routine that an applied repair left."""

    id: str
    outcome: str
    score: float
    tags: list[str]
    rate: SharePart
    stability: str | None
    now: NotRequired[str]
    attempts: list[AttemptPart]


class UsagePart(TypedDict):
    """What a session or a suite used."""

    calls: int
    cached: int
    input_tokens: int
    output_tokens: int
    cost_usd: float | None


class UnguardedPart(TypedDict):
    """What no case guards in the suite's routine."""

    sentences: list[str]
    tools: list[str]
    examined: int
    left: int


class SwappedCasePart(TypedDict):
    """A case's outcomes before and after a model was swapped."""

    id: str
    old: str
    new: str
    repaired: str


class SwapPart(TypedDict):
    """A suite with its old target, its new one, and the new one under the repaired routine."""

    old: str
    new: str
    cases: list[SwappedCasePart]


class SuitePart(TypedDict):
    """A suite as tested. `gated` says that a gate judges it, if all of its cases are run."""

    path: str
    routine: str
    target: str | None
    accuracy: SharePart
    metrics: dict[str, float | None]
    cases: list[CasePart]
    baseline: BaselinePart | None
    usage: UsagePart
    seconds: float
    gated: bool
    unguarded: NotRequired[UnguardedPart]
    swap: NotRequired[SwapPart]


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
    judge: NotRequired[int]
    customer: NotRequired[int]
    cached: NotRequired[int]


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


class SessionUsagePart(UsagePart):
    """What a session used; `retries` are the calls that were made again."""

    retries: int


class Report(TypedDict):
    """The whole report."""

    version: int
    suites: list[SuitePart]
    gates: list[GatePart]
    repairs: list[RepairPart]
    usage: SessionUsagePart


def gate_word(suite: SuitePart, report: Report) -> str:
    """How the suite's gate stands at the end."""
    gate = next((gate for gate in report["gates"] if gate["suite"] == suite["path"]), None)
    if gate is None:
        return "skipped" if suite["gated"] else "none"
    return "passed" if gate["passed"] else "failed"


def compared(found: BaselinePart) -> list[tuple[str, list[str]]]:
    """Each list of a comparison that has cases, with what it holds in words."""
    told = [
        ("worse than in the baseline", found["regressions"]),
        ("better than in the baseline", found["improvements"]),
        ("failed, but no more often than chance explains", found["by_chance"]),
        ("changed since the baseline, so not compared", found["stale"]),
        ("without an answer to judge, so not compared", found["unjudged"]),
        ("not in the baseline", found["new"]),
        ("only in the baseline", found["gone"]),
    ]
    return [(words, ids) for words, ids in told if ids]


def change_words(found: BaselinePart) -> str:
    """How a suite changed, in a few words."""
    unjudged = f", {len(found['unjudged'])} not judged" if found["unjudged"] else ""
    return f"{len(found['regressions'])} worse, {len(found['improvements'])} better{unjudged}"


def calls_line(calls: CallsPart) -> str:
    """The calls of a repair in words."""
    return calls_words(calls["target"], calls["meta"], calls.get("judge", 0), calls.get("customer", 0))
