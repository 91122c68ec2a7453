"""The report as GitHub Markdown: short enough for a comment on a pull request and for a step's summary."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pytest_metaprompt.reports.parts import CasePart, RepairPart, Report, SuitePart, calls_line

MOST_CHARACTERS = 60_000
"""GitHub takes 65,536 characters in a comment."""

_FAILING_LISTED = 20
_PROPOSALS_LISTED = 20
_DIFF_CHARACTERS = 12_000


def as_markdown(report: Report) -> str:
    """The table of suites, what fails, and each repair with its evidence and diff; cut where it would be too long."""
    blocks = ["## Prompt tests", "\n".join(_table(report)), *_gates(report)]
    failing = "\n".join(_failing(report))
    blocks += [failing] if failing else []
    blocks += [_repair(repair) for repair in report["repairs"] if repair["status"] != "not_needed"]
    return _fitting(blocks)


def _fitting(blocks: Sequence[str]) -> str:
    text, left = "", MOST_CHARACTERS
    for number, block in enumerate(blocks):
        if len(block) + 200 > left:
            return f"{text}_{len(blocks) - number} more parts are left out: the whole is in the JSON or HTML report._\n"
        text += block + "\n\n"
        left -= len(block) + 2
    return text.rstrip("\n") + "\n"


def _table(report: Report) -> Iterator[str]:
    gates = {gate["suite"]: "passed" if gate["passed"] else "**failed**" for gate in report["gates"]}
    yield "| suite | target | passed | accuracy (95 %) | errors | gate |"
    yield "|---|---|---|---|---|---|"
    for suite in report["suites"]:
        share = suite["accuracy"]
        accuracy = f"{share['value']:.2f} ({share['low']:.2f}-{share['high']:.2f})"
        errors = sum(case["outcome"] == "error" for case in suite["cases"])
        cells = (_cell(suite["path"]), _cell(suite["target"] or "none"), f"{share['passed']}/{share['total']}")
        yield f"| {' | '.join(cells)} | {accuracy} | {errors} | {gates.get(suite['path'], 'none')} |"


def _gates(report: Report) -> list[str]:
    return [
        f"Gate of {_code(gate['suite'])}: {_text('; '.join(gate['reasons']))}"
        for gate in report["gates"]
        if not gate["passed"]
    ]


def _failing(report: Report) -> Iterator[str]:
    bad = [(suite, case) for suite in report["suites"] for case in suite["cases"] if _is_bad(case)]
    if bad:
        yield f"<details><summary>{len(bad)} cases that did not pass</summary>\n"
        yield from (_bad_line(suite, case) for suite, case in bad[:_FAILING_LISTED])
        if len(bad) > _FAILING_LISTED:
            yield f"- and {len(bad) - _FAILING_LISTED} more"
        yield "\n</details>"


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
    return f"- {_code(suite['path'])} {_code(case['id'])}, {case['outcome']}: {why}"


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
    lines.append(f"- calls: {calls_line(calls)}, in {repair['seconds']:.1f} s")
    return "\n".join([*lines, *_diff(repair["diff"]), *_proposals(repair)])


def _diff(diff: str) -> Iterator[str]:
    if diff:
        fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", diff)), default=0))
        cut = diff if len(diff) <= _DIFF_CHARACTERS else f"{diff[:_DIFF_CHARACTERS]}\n[... the rest is left out ...]"
        yield f"\n{fence}diff\n{cut.rstrip()}\n{fence}"


def _proposals(repair: RepairPart) -> Iterator[str]:
    proposals = repair["proposals"]
    if proposals:
        yield f"\n<details><summary>{len(proposals)} proposals</summary>\n"
        for one in proposals[:_PROPOSALS_LISTED]:
            hypothesis, reason = _text(one["hypothesis"][:200]), _text(one["reason"][:200])
            yield f"- {one['proposer']}, {one['decision']}: {hypothesis} ({reason})"
        if len(proposals) > _PROPOSALS_LISTED:
            yield f"- and {len(proposals) - _PROPOSALS_LISTED} more"
        yield "\n</details>"


def _names(keys: Sequence[str]) -> str:
    return f"{len(keys)}: {', '.join(map(_code, keys[:12]))}{', ...' if len(keys) > 12 else ''}" if keys else "none"


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
