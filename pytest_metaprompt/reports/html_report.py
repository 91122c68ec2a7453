"""The HTML report: one file that needs nothing else, made from what the JSON report says.

Text of models and users reaches the page as escaped text or as JSON that the page's script puts in as text; the
content security policy lets no other script run.
"""

from __future__ import annotations

import base64
import difflib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from pytest_metaprompt.errors import SetupError
from pytest_metaprompt.reports.figures import dollars, duration
from pytest_metaprompt.reports.json_report import json_text
from pytest_metaprompt.reports.parts import (
    AttemptPart,
    CountPart,
    RepairPart,
    Report,
    SuitePart,
    VerdictPart,
    calls_line,
    change_words,
    compared,
    gate_word,
)
from pytest_metaprompt.reports.plots import PlotPoint, accuracy_plot
from pytest_metaprompt.reports.side_by_side import side_by_side
from pytest_metaprompt.reports.standing import standing_of

_TONES = {"applied": "good", "proposed": "good", "not_needed": "mute"}
_LISTED = 12
_LONGEST = 400
_COMPARED = 4000
"""How many lines of JSON are compared, at most; finding the best alignment takes the square of it."""


@dataclass(frozen=True, slots=True)
class PastRun:
    """A suite's accuracy in an earlier run, called by its date."""

    label: str
    passed: int
    total: int
    value: float
    low: float
    high: float


def as_html(report: Report, *, history: Mapping[str, Sequence[PastRun]] | None = None) -> str:
    """The page for a report. Plots are left out, with a note, where pygal is not installed."""
    from jinja2 import Environment
    from markupsafe import Markup

    notes: list[str] = []
    environment = Environment(autoescape=True, trim_blocks=True)
    environment.filters["share"] = lambda value: f"{value:.2f}"
    script = _page("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.from_string(_page("page.html")).render(
        headline=str(standing_of(report)),
        usage_line=_usage_line(report),
        suites=[_suite(suite, report) for suite in report["suites"]],
        gates=report["gates"],
        repaired=any(repair["status"] == "applied" for repair in report["repairs"]),
        repairs=[_repair(repair, notes) for repair in report["repairs"] if repair["status"] != "not_needed"],
        histories=list(_histories(history or {}, notes)),
        notes=list(dict.fromkeys(notes)),
        style=Markup(_page("page.css")),
        script=Markup(script),
        script_hash=f"sha256-{digest}",
        data=Markup(_embedded({**report, "suites": [_with_differences(suite) for suite in report["suites"]]})),
    )


def _page(name: str) -> str:
    return resources.files(__package__).joinpath("page", name).read_text(encoding="utf-8")


def _embedded(report: Report) -> str:
    """JSON that cannot end the script element it stands in."""
    return json_text(report).replace("<", "\\u003c")


def _with_differences(suite: SuitePart) -> SuitePart:
    cases = [{**case, "attempts": [_compared(attempt) for attempt in case["attempts"]]} for case in suite["cases"]]
    return {**suite, "cases": cases}  # type: ignore[typeddict-item]  # mypy takes a spread TypedDict for a plain dict


def _compared(attempt: AttemptPart) -> AttemptPart:
    verdicts = [{**verdict, "difference": _difference(verdict, attempt["text"])} for verdict in attempt["verdicts"]]
    return {**attempt, "verdicts": verdicts}  # type: ignore[typeddict-item]  # as above


def _difference(verdict: VerdictPart, text: str) -> list[str] | None:
    """The lines in which a reply's JSON differs from what was asked for, with what stands around them."""
    wanted, found = _read(verdict["value"]), _read(text)
    if verdict["passed"] or wanted is None or found is None:
        return None
    old, new = (json.dumps(value, indent=1, ensure_ascii=False).splitlines() for value in (wanted, found))
    if len(old) + len(new) > _COMPARED:
        return None
    return list(difflib.unified_diff(old, new, "wanted", "reply", lineterm="", n=4))[:_LONGEST]


def _read(value: object) -> object:
    """The object or list that a value is, or that a text has as JSON; None for any other."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, dict | list) else None


def _usage_line(report: Report) -> str:
    usage = report["usage"]
    cost = "" if usage["cost_usd"] is None else f", ${usage['cost_usd']:.4f}"
    return (
        f"{usage['calls']} calls, {usage['cached']} answered without a model, {usage['input_tokens']} tokens in, "
        f"{usage['output_tokens']} out{cost}"
    )


def _suite(suite: SuitePart, report: Report) -> Mapping[str, object]:
    word = gate_word(suite, report)
    tone = {"passed": "good", "failed": "bad"}.get(word, "mute")
    used = suite["usage"]
    return {
        **suite,
        "gate": word,
        "gate_tone": tone,
        "change": _change(suite),
        "changes": list(_changes(suite)),
        "errors": sum(case["outcome"] == "error" for case in suite["cases"]),
        "flaky": sum(case["stability"] == "flaky" for case in suite["cases"]),
        "cost": dollars(used["cost_usd"]) if used["cost_usd"] else "",
        "cached": used["cached"],
        "time": duration(suite["seconds"]),
    }


def _change(suite: SuitePart) -> str:
    baseline = suite["baseline"]
    return "" if baseline is None else change_words(baseline)


def _changes(suite: SuitePart) -> Iterator[str]:
    """What is not as it was in the baseline, a line each."""
    if suite["baseline"] is not None:
        yield from (f"{words}: {_names(ids)}" for words, ids in compared(suite["baseline"]))
        yield from suite["baseline"]["notes"]


def _repair(repair: RepairPart, notes: list[str]) -> Mapping[str, object]:
    points = [
        PlotPoint(one["calls"], one["value"], one["low"], one["high"], f"{one['passed']} of {one['total']}")
        for one in repair["trace"]
    ]
    return {
        **repair,
        "tone": _TONES.get(repair["status"], "warn"),
        "evidence": list(_evidence(repair)),
        "plot": _plot(points, "calls used by the repair", notes),
        "sides": _markup(side_by_side(repair["diff"])),
    }


def _evidence(repair: RepairPart) -> Iterator[tuple[str, str]]:
    if repair["reason"]:
        yield "reason", repair["reason"]
    yield "before", _count(repair["before"])
    if repair["status"] in ("applied", "proposed"):
        yield "after", _count(repair["after"])
    for name, keys in (("fixed", repair["fixed"]), ("broken", repair["broken"]), ("flaky", repair["flaky"])):
        yield name, _names(keys)
    held = repair["holdout"]
    if held is not None:
        yield "hold-out", f"{held['fixed']} fixed, {held['broken']} broken of {held['total']} that no proposer saw"
    else:
        yield "hold-out", "none: in-sample evidence only"
    cost = "" if repair["cost_usd"] is None else f", ${repair['cost_usd']:.4f}"
    calls = repair["calls"]
    yield "calls", f"{calls_line(calls)}, {repair['seconds']:.1f} s{cost}"


def _count(share: CountPart) -> str:
    return f"{share['passed']} of {share['total']} passed"


def _names(keys: Sequence[str]) -> str:
    rest = f" and {len(keys) - _LISTED} more" if len(keys) > _LISTED else ""
    return f"{len(keys)}: {', '.join(keys[:_LISTED])}{rest}" if keys else "none"


def _histories(history: Mapping[str, Sequence[PastRun]], notes: list[str]) -> Iterator[Mapping[str, object]]:
    for suite, runs in history.items():
        points = [
            PlotPoint(at, run.value, run.low, run.high, f"{run.label}: {run.passed} of {run.total}")
            for at, run in enumerate(runs, start=1)
        ]
        plot = _plot(points, "runs, the last one at the right", notes)
        if plot:
            yield {"suite": suite, "plot": plot}


def _plot(points: Sequence[PlotPoint], x_title: str, notes: list[str]) -> str:
    if len(points) < 2:
        return ""
    try:
        return _markup(accuracy_plot(points, x_title=x_title))
    except SetupError as error:
        notes.append(f"Plots are left out: {error}.")
        return ""


def _markup(html: str) -> str:
    from markupsafe import Markup

    return Markup(html)
