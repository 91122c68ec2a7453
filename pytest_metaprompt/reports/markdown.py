"""The report as GitHub Markdown: short enough for a comment on a pull request and for a step's summary."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pytest_metaprompt.reports.figures import dollars, duration, interval
from pytest_metaprompt.reports.parts import (
    BaselinePart,
    CasePart,
    RepairPart,
    Report,
    SuitePart,
    UnguardedPart,
    calls_line,
    change_words,
    compared,
    gate_word,
)
from pytest_metaprompt.reports.standing import cases, standing_of

MOST_CHARACTERS = 60_000
"""GitHub takes 65,536 characters in a comment."""

_SUITES_LISTED = 100
_GATES_LISTED = 20
_FAILING_LISTED = 20
_CHANGES_LISTED = 40
_FLAKY_LISTED = 20
_PROPOSALS_LISTED = 20
_DIFF_CHARACTERS = 12_000


def as_markdown(report: Report) -> str:
    """The table of suites, what fails, and each repair with its evidence and diff; cut where it would be too long."""
    repaired = any(repair["status"] == "applied" for repair in report["repairs"])
    blocks = ["## Prompt tests", f"{standing_of(report)}."]
    blocks += ["As the tests found it, before the repair:"] if repaired else []
    blocks += ["\n".join(_table(report)), *_gates(report)]
    blocks += [block for block in ("\n".join(_failing(report)), _changes(report), _flaky(report)) if block]
    blocks += [_repair(repair) for repair in report["repairs"] if repair["status"] != "not_needed"]
    blocks += [_unguarded(suite["path"], suite["unguarded"]) for suite in report["suites"] if "unguarded" in suite]
    return _fitting(blocks)


def _unguarded(path: str, found: UnguardedPart) -> str:
    """What no case guards, as a list; one line where nothing was found."""
    left = f", {found['left']} not examined" if found["left"] else ""
    lines = [f"### {_code(path)}: what no case guards ({found['examined']} sentences examined{left})", ""]
    lines += [f"- {_code(sentence)}" for sentence in found["sentences"]]
    lines += [f"- the tool {_code(tool)}" for tool in found["tools"]]
    return "\n".join(lines if len(lines) > 2 else [*lines, "Nothing was found."])


def _fitting(blocks: Sequence[str]) -> str:
    text, left = "", MOST_CHARACTERS
    for number, block in enumerate(blocks):
        if len(block) + 200 > left:
            return f"{text}_{len(blocks) - number} more parts are left out: the whole is in the JSON or HTML report._\n"
        text += block + "\n\n"
        left -= len(block) + 2
    return text.rstrip("\n") + "\n"


def _table(report: Report) -> Iterator[str]:
    suites = report["suites"]
    more = {
        name: column
        for name, column in (("change", _change), ("flaky", _flaky_count), ("cost", _cost), ("cached", _cached))
        if any(column(suite) for suite in suites)
    }
    heading = ("suite", "target", "passed", "accuracy (95 %)", "errors", "gate", *more, "time")
    yield f"| {' | '.join(heading)} |"
    yield "|" + "---|" * len(heading)
    for suite in suites[:_SUITES_LISTED]:
        share = suite["accuracy"]
        errors = sum(case["outcome"] == "error" for case in suite["cases"])
        cells = (
            *(_cell(_cut(name)) for name in (suite["path"], suite["target"] or "none")),
            f"{share['passed']}/{share['total']}",
            interval(share["value"], share["low"], share["high"]),
            str(errors),
            gate_word(suite, report).replace("failed", "**failed**"),
            *(column(suite) or "-" for column in more.values()),
            duration(suite["seconds"]),
        )
        yield f"| {' | '.join(cells)} |"
    if len(suites) > _SUITES_LISTED:
        yield f"\n_{len(suites) - _SUITES_LISTED} more suites are left out here._"


def _change(suite: SuitePart) -> str:
    found = suite["baseline"]
    return change_words(found) if found is not None else ""


def _flaky_count(suite: SuitePart) -> str:
    count = sum(case["stability"] == "flaky" for case in suite["cases"])
    return str(count) if count else ""


def _cost(suite: SuitePart) -> str:
    return dollars(suite["usage"]["cost_usd"]) if suite["usage"]["cost_usd"] else ""


def _cached(suite: SuitePart) -> str:
    return str(suite["usage"]["cached"]) if suite["usage"]["cached"] else ""


def _gates(report: Report) -> list[str]:
    failed = [gate for gate in report["gates"] if not gate["passed"]]
    lines = [
        f"Gate of {_code(_cut(gate['suite']))}: {_text(_cut('; '.join(gate['reasons']), most=1000))}"
        for gate in failed[:_GATES_LISTED]
    ]
    return [*lines, f"And {len(failed) - _GATES_LISTED} more gates failed."] if failed[_GATES_LISTED:] else lines


def _failing(report: Report) -> Iterator[str]:
    bad = [(suite, case) for suite in report["suites"] for case in suite["cases"] if _is_bad(case)]
    if bad:
        yield f"<details><summary>{cases(len(bad))} that did not pass</summary>\n"
        yield from (_bad_line(suite, case) for suite, case in bad[:_FAILING_LISTED])
        if len(bad) > _FAILING_LISTED:
            yield f"- and {len(bad) - _FAILING_LISTED} more"
        yield "\n</details>"


def _changes(report: Report) -> str:
    """What is not as it was in the baseline, by suite."""
    lines = [
        f"- {_code(_cut(suite['path']))}: {told}"
        for suite in report["suites"]
        if suite["baseline"] is not None
        for told in _changed(suite["baseline"])
    ]
    more = [f"- and {len(lines) - _CHANGES_LISTED} more"] if len(lines) > _CHANGES_LISTED else []
    return "\n".join(["Against the baseline:\n", *lines[:_CHANGES_LISTED], *more]) if lines else ""


def _changed(found: BaselinePart) -> Iterator[str]:
    yield from (f"{words}: {_names(ids)}" for words, ids in compared(found))
    yield from map(_text, found["notes"])


def _flaky(report: Report) -> str:
    flaky = [(suite, case) for suite in report["suites"] for case in suite["cases"] if case["stability"] == "flaky"]
    if not flaky:
        return ""
    lines = [f"<details><summary>{cases(len(flaky))} flaky: some attempts passed, some did not</summary>\n"]
    for suite, case in flaky[:_FLAKY_LISTED]:
        rate = case["rate"]
        share = f"{rate['passed']}/{rate['total']} = {interval(rate['value'], rate['low'], rate['high'])}"
        lines.append(f"- {_code(_cut(suite['path']))} {_code(_cut(case['id']))}, {case['outcome']}: {share}")
    if len(flaky) > _FLAKY_LISTED:
        lines.append(f"- and {len(flaky) - _FLAKY_LISTED} more")
    return "\n".join([*lines, "\n</details>"])


def _is_bad(case: CasePart) -> bool:
    return case["outcome"] in ("failed", "error")


def _bad_line(suite: SuitePart, case: CasePart) -> str:
    said = [attempt["error"] for attempt in case["attempts"] if attempt["error"] is not None]
    said += [
        f"{verdict['type']}: {verdict['reason']}"
        for attempt in case["attempts"]
        for verdict in attempt["verdicts"]
        if not verdict["passed"]
    ]
    why = _text(said[0][:300]) if said else "no reason given"
    return f"- {_code(_cut(suite['path']))} {_code(_cut(case['id']))}, {case['outcome']}: {why}"


def _repair(repair: RepairPart) -> str:
    before, after = repair["before"], repair["after"]
    lines = [f"### {_code(repair['routine'])}: {repair['status']}", ""]
    if repair["reason"]:
        lines.append(f"- reason: {_text(repair['reason'])}")
    if repair["status"] in ("applied", "proposed"):
        lines.append(f"- passed: {before['passed']}/{before['total']} before, {after['passed']}/{after['total']} after")
    lines += [f"- {name}: {_names(keys)}" for name, keys in (("fixed", repair["fixed"]), ("broken", repair["broken"]))]
    held = repair["holdout"]
    if held is not None:
        lines.append(f"- hold-out: {held['fixed']} fixed, {held['broken']} broken of {held['total']} unseen cases")
    else:
        lines.append("- hold-out: none, in-sample evidence only")
    calls = repair["calls"]
    cost = f", {dollars(repair['cost_usd'])}" if repair["cost_usd"] else ""
    lines.append(f"- calls: {calls_line(calls)}, in {repair['seconds']:.1f} s{cost}")
    return "\n".join([*lines, *_diff(repair["diff"]), *_proposals(repair)])


def _diff(diff: str) -> Iterator[str]:
    if diff:
        fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", diff)), default=0))
        cut = diff if len(diff) <= _DIFF_CHARACTERS else f"{diff[:_DIFF_CHARACTERS]}\n[... the rest is left out ...]"
        yield f"\n{fence}diff\n{cut.rstrip()}\n{fence}"


def _proposals(repair: RepairPart) -> Iterator[str]:
    proposals = repair["proposals"]
    if proposals:
        yield f"\n<details><summary>{len(proposals)} proposal{'s' if len(proposals) > 1 else ''}</summary>\n"
        for one in proposals[:_PROPOSALS_LISTED]:
            hypothesis, reason = _text(one["hypothesis"][:200]), _text(one["reason"][:200])
            yield f"- {_text(one['proposer'])}, {one['decision']}: {hypothesis} ({reason})"
        if len(proposals) > _PROPOSALS_LISTED:
            yield f"- and {len(proposals) - _PROPOSALS_LISTED} more"
        yield "\n</details>"


def _names(keys: Sequence[str]) -> str:
    return (
        f"{len(keys)}: {', '.join(_code(_cut(key)) for key in keys[:12])}{', ...' if len(keys) > 12 else ''}"
        if keys
        else "none"
    )


def _cut(text: str, *, most: int = 200) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _code(text: str) -> str:
    """The text as inline code, whatever is in it."""
    line = " ".join(text.split())
    fence = "`" * (1 + max((len(run) for run in re.findall(r"`+", line)), default=0))
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def _text(text: str) -> str:
    """The text on one line, with nothing in it that Markdown, HTML or GitHub's mentions would take for their own."""
    escaped = re.sub(r"([\\`*_{}\[\]<>#|~!&])", r"\\\1", " ".join(text.split()))
    return escaped.replace("@", "@\u2060")


def _cell(text: str) -> str:
    return _code(text).replace("|", "\\|")
