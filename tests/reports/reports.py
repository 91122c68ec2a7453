"""A report with something of everything, and with text that would like to be more than text."""

from __future__ import annotations

from dataclasses import replace

from pytest_metaprompt.errors import Place
from pytest_metaprompt.reports.json_report import SuiteReport, TotalUsage, build_report
from pytest_metaprompt.reports.parts import BaselinePart, Report
from pytest_metaprompt.results import (
    Attempt,
    CaseResult,
    Count,
    GateResult,
    HoldoutCount,
    ProposalRecord,
    RepairOutcome,
    Reply,
    Run,
    ToolCall,
    TracePoint,
    Usage,
    Verdict,
)
from pytest_metaprompt.suites import Assertion, Case, GateSettings, Message, ModelSpec, RoutineRef, Suite

HOSTILE = '</script><script>window.pwned=1</script><img src=x onerror="window.pwned=1"> | `x` @team [a](javascript:1)'

BASELINE: BaselinePart = {
    "regressions": ["case-1"],
    "improvements": [],
    "by_chance": [],
    "stale": ["case-5"],
    "new": [],
    "gone": [],
    "unjudged": ["case-3"],
    "notes": ["the routine | was changed since the baseline"],
}

DIFF = """\
--- a/routine.md
+++ b/routine.md
@@ -1,3 +1,4 @@
 You read numbers.
-Answer.
+Answer with the number only.
+```
 The end.
"""


def attempt(case: Case, *, passed: bool, text: str, sample: int = 0, error: str | None = None) -> Attempt:
    verdict = Verdict("json", passed, float(passed), "equal" if passed else "$.order: expected 1, got 2", 1.0, "Order")
    reply = Reply(text, (ToolCall("look_up", {"id": 7}, '{"id": 7}'),), "stop", Usage(30, 5), 0.25)
    messages = (Message("system", "You read numbers."), Message("user", case.input or ""))
    return Attempt(case, messages, sample, reply, error, () if error else (verdict,))


def case(name: str, path: str = "evals/orders.metaprompt.yaml", *, tags: tuple[str, ...] = ()) -> Case:
    check = Assertion("json", {"order": 1, "lines": [1, 2]})
    return Case(name, Place(path, 3), input=f"message of {name} {HOSTILE}", assertions=(check,), tags=tags)


def result(name: str, outcome: str) -> CaseResult:
    one = case(name, tags=("returns",) if name.endswith("1") else ())
    good = attempt(one, passed=True, text='{"order": 1, "lines": [1, 2]}')
    bad = attempt(one, passed=False, text='{"order": 2, "lines": [1, 2]}', sample=1)
    broken = attempt(one, passed=False, text="", sample=1, error=f"openai:small: 500: {HOSTILE}")
    attempts = {"passed": (good, good), "failed": (good, bad), "error": (good, broken), "skipped": ()}[outcome]
    return CaseResult(one, attempts, outcome)  # type: ignore[arg-type]


def sample_report(size: int = 8) -> Report:
    """A suite whose cases take turns to pass, fail and go wrong, with a failed gate and an applied repair."""
    from pathlib import Path

    turns = ("passed", "failed", "passed", "error")
    results = tuple(result(f"case-{number}", turns[number % 4]) for number in range(size))
    gate = GateSettings(min_accuracy=0.9)
    suite = Suite(
        Path("evals/orders.metaprompt.yaml"),
        RoutineRef(Path("routine.md")),
        tuple(one.case for one in results),
        ModelSpec("openai", "small"),
        gate=gate,
    )
    run = Run(suite, results)
    repair = RepairOutcome(
        "routine.md",
        "applied",
        f"no stable failure is left {HOSTILE}",
        Count(size // 2, size),
        Count(size, size),
        fixed=("case-1", HOSTILE),
        holdout=HoldoutCount(2, 0, 3),
        proposals=(
            ProposalRecord("reflect", HOSTILE, "rejected", "breaks 'case-2'"),
            ProposalRecord("demonstrations", "3 worked examples", "accepted", "fixes 2 cases, breaks none"),
        ),
        target_calls=40,
        meta_calls=2,
        seconds=3.25,
        diff=DIFF,
        trace=(TracePoint(4, size // 2, size), TracePoint(42, size, size)),
    )
    gates = [
        ("evals/orders.metaprompt.yaml", GateResult(suite, False, ("accuracy 6/8 = 0.75 (0.41-0.93), less than 0.9",)))
    ]
    now = tuple(replace(one, outcome="passed") if one.outcome == "failed" else one for one in results)
    suites = [SuiteReport("evals/orders.metaprompt.yaml", "routine.md", run, final=Run(suite, now))]
    return build_report(suites, gates, [repair], TotalUsage(50, 8, 1500, 250, None))
