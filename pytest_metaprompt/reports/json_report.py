"""The JSON report, version 1."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from pytest_metaprompt.metrics import attempt_metrics, run_metrics
from pytest_metaprompt.reports.parts import (
    AttemptPart,
    BaselinePart,
    CallPart,
    CallsPart,
    CasePart,
    RepairPart,
    ReplyPart,
    Report,
    SharePart,
    SuitePart,
    SwapPart,
    UsagePart,
    VerdictPart,
)
from pytest_metaprompt.results import (
    Attempt,
    CaseResult,
    Exchange,
    GateResult,
    RepairOutcome,
    Reply,
    Run,
    Unguarded,
    Usage,
    Verdict,
)
from pytest_metaprompt.stats import Accuracy, accuracy, case_rate, run_accuracy, stability
from pytest_metaprompt.suites import Json


@dataclass(frozen=True, slots=True)
class TotalUsage:
    """What a session used. `calls` counts the answers wanted of a model, `retries` the calls that were made again for
    them, and `cached` the replies that came from the cache or a cassette."""

    calls: int
    cached: int
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    retries: int = 0


@dataclass(frozen=True, slots=True)
class SuiteReport:
    """A run with the names it goes by, paths from the root directory, how it differs from a baseline, and its time.

    `final` is the run under the routine that an applied repair left."""

    path: str
    routine: str
    run: Run
    baseline: BaselinePart | None = None
    seconds: float = 0.0
    unguarded: Unguarded | None = None
    swap: SwapPart | None = None
    final: Run | None = None


def as_json(report: Report) -> str:
    """The report as a JSON text."""
    return json_text(report, indent=1) + "\n"


def json_text(report: Report, *, indent: int | None = None) -> str:
    """The report as JSON; a number that JSON cannot hold, as models give it in the arguments of tools, is a text."""
    separators = (",", ":") if indent is None else None
    try:
        return json.dumps(report, ensure_ascii=False, indent=indent, separators=separators, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(report), ensure_ascii=False, indent=indent, separators=separators)


def _finite(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def report_schema_text() -> str:
    """The JSON Schema (draft 2020-12) that every report is valid against."""
    return resources.files(__package__).joinpath("report.schema.json").read_text(encoding="utf-8")


def build_report(
    suites: Sequence[SuiteReport],
    gates: Sequence[tuple[str, GateResult]],
    repairs: Sequence[RepairOutcome],
    usage: TotalUsage,
) -> Report:
    """The report. `suites` are as tested; `gates` as they stand at the end, after any applied repair."""
    return {
        "version": 1,
        "suites": [_suite(suite) for suite in suites],
        "gates": [{"suite": path, "passed": gate.passed, "reasons": list(gate.reasons)} for path, gate in gates],
        "repairs": [_repair(repair) for repair in repairs],
        "usage": {**_used(usage), "retries": usage.retries},
    }


def _used(usage: TotalUsage) -> UsagePart:
    return {
        "calls": usage.calls,
        "cached": usage.cached,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cost_usd": usage.cost_usd,
    }


def run_usage(run: Run) -> TotalUsage:
    """What the replies of a run used; those from a store used nothing. The cost is None as soon as one is not known."""
    replies = [attempt.reply for result in run.results for attempt in result.attempts if attempt.reply is not None]
    asked = [reply for reply in replies if not reply.cached]
    costs = [reply.cost_usd for reply in asked]
    known = [cost for cost in costs if cost is not None]
    return TotalUsage(
        len(asked),
        len(replies) - len(asked),
        sum(reply.usage.input_tokens for reply in asked),
        sum(reply.usage.output_tokens for reply in asked),
        sum(known) if len(known) == len(costs) else None,
    )


def _suite(suite: SuiteReport) -> SuitePart:
    part: SuitePart = {
        "path": suite.path,
        "routine": suite.routine,
        "target": str(suite.run.suite.target) if suite.run.suite.target is not None else None,
        "accuracy": _share(run_accuracy(suite.run)),
        "baseline": suite.baseline,
        "usage": _used(run_usage(suite.run)),
        "seconds": round(suite.seconds, 3),
        "metrics": run_metrics(suite.run),
        "gated": suite.run.suite.gate is not None,
        "cases": [_case(result) for result in suite.run.results],
    }
    now = {} if suite.final is None else {result.case.id: result.outcome for result in suite.final.results}
    for case in part["cases"]:
        if case["id"] in now:
            case["now"] = now[case["id"]]
    if suite.swap is not None:
        part["swap"] = suite.swap
    found = suite.unguarded
    if found is not None:
        part["unguarded"] = {
            "sentences": list(found.sentences),
            "tools": list(found.tools),
            "examined": found.examined,
            "left": found.left,
        }
    return part


def _share(share: Accuracy) -> SharePart:
    return {
        "passed": share.passed,
        "total": share.total,
        "value": share.value,
        "low": share.low,
        "high": share.high,
    }


def _case(result: CaseResult) -> CasePart:
    return {
        "id": result.case.id,
        "outcome": result.outcome,
        "score": result.score,
        "tags": list(result.case.tags),
        "rate": _share(case_rate(result)),
        "stability": stability(result),
        "attempts": [_attempt(attempt) for attempt in result.attempts],
    }


def _attempt(attempt: Attempt) -> AttemptPart:
    messages, reply = [one.in_chat for one in attempt.messages], _reply(attempt.reply or Reply(""))
    values = zip(attempt.verdicts, _values(attempt), strict=True)
    return {
        "messages": messages,
        "transcript": [one.in_chat for one in attempt.transcript],
        "notes": list(attempt.notes),
        **reply,
        "error": attempt.error,
        "skipped": attempt.skipped,
        "passed": attempt.passed,
        "metrics": attempt_metrics(attempt),
        "verdicts": [_verdict(verdict, value) for verdict, value in values],
        "calls": [_call(exchange) for exchange in attempt.exchanges],
    }


def _call(exchange: Exchange) -> CallPart:
    reply = _reply(exchange.reply or Reply(""))
    return {"messages": [one.in_chat for one in exchange.messages], **reply, "error": exchange.error}


def _reply(reply: Reply) -> ReplyPart:
    return {
        "text": reply.text,
        "tool_calls": [
            {"name": call.name, "arguments": call.raw_arguments if call.arguments is None else call.arguments}
            for call in reply.tool_calls
        ],
        "finish_reason": reply.finish_reason,
        "latency_s": reply.latency_s,
        "cached": reply.cached,
        "usage": _usage(reply.usage),
        "cost_usd": reply.cost_usd,
    }


def _usage(usage: Usage) -> dict[str, int]:
    """The tokens; their parts only where the provider told them."""
    parts = {"cached_input_tokens": usage.cached_input_tokens, "reasoning_tokens": usage.reasoning_tokens}
    told = {name: count for name, count in parts.items() if count}
    return {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens, **told}


def _values(attempt: Attempt) -> list[Json]:
    """What each verdict's assertion asked for; unknown where the verdicts are not one for each assertion."""
    checks = attempt.case.assertions
    if len(checks) != len(attempt.verdicts):
        return [None] * len(attempt.verdicts)
    return [None if verdict.passed else check.value for verdict, check in zip(attempt.verdicts, checks, strict=True)]


def _verdict(verdict: Verdict, value: Json) -> VerdictPart:
    part: VerdictPart = {
        "type": verdict.type,
        "passed": verdict.passed,
        "score": verdict.score,
        "reason": verdict.reason,
        "weight": verdict.weight,
        "metric": verdict.metric,
        "value": value,
    }
    if verdict.children:
        part["children"] = [_verdict(child, None) for child in verdict.children]
    return part


def _repair(repair: RepairOutcome) -> RepairPart:
    held = repair.holdout
    return {
        "routine": repair.routine,
        "status": repair.status,
        "reason": repair.reason,
        "before": {"passed": repair.before.passed, "total": repair.before.total},
        "after": {"passed": repair.after.passed, "total": repair.after.total},
        "fixed": list(repair.fixed),
        "broken": list(repair.broken),
        "flaky": list(repair.flaky),
        "holdout": {"fixed": held.fixed, "broken": held.broken, "total": held.total} if held else None,
        "proposals": [
            {
                "proposer": proposal.proposer,
                "hypothesis": proposal.hypothesis,
                "decision": proposal.decision,
                "reason": proposal.reason,
            }
            for proposal in repair.proposals
        ],
        "calls": _calls(repair),
        "cost_usd": repair.cost_usd,
        "seconds": round(repair.seconds, 3),
        "diff": repair.diff,
        "trace": [{"calls": point.calls, **_share(accuracy(point.passed, point.total))} for point in repair.trace],
    }


def _calls(repair: RepairOutcome) -> CallsPart:
    """The calls of a repair; those of judges and customers, and stored replies, only where there were any."""
    calls: CallsPart = {"target": repair.target_calls, "meta": repair.meta_calls}
    if repair.judge_calls:
        calls["judge"] = repair.judge_calls
    if repair.customer_calls:
        calls["customer"] = repair.customer_calls
    if repair.cached_calls:
        calls["cached"] = repair.cached_calls
    return calls
