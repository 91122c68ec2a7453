"""A case and what came out of it as JSON for the meta model: whole if it is short, head and tail if it is long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_metaprompt.repair.differences import minimal_difference
from pytest_metaprompt.results import Attempt, Observation, Reply
from pytest_metaprompt.suites import PYTHON_TEST, Assertion, Case, Json

MOST_ITEMS = 16
"""A list or a mapping with more items than this, such as a long conversation, is cut in its middle."""

FEWER_ITEMS = 4
"""The same where texts are cut to less than `SHORT` characters."""

SHORT = 300


def observed(one: Observation, *, limit: int) -> Json:
    """The case by its id: what it gives, the output, every check with what it says, and where the output differs.

    A text longer than `limit` characters is cut in its middle.
    """
    attempt, case = one.attempt, one.subject.case
    seen: dict[str, Json] = {"id": one.subject.key}
    if attempt.exchanges:
        seen["calls"] = [_given(call.case) | _answered(call.reply) for call in attempt.exchanges]
    else:
        seen |= _given(case)
        if attempt.transcript:
            seen["conversation"] = [message.in_chat for message in attempt.transcript]
        seen |= _answered(attempt.reply)
    seen["checks"] = [
        {"type": check.type, "passed": verdict.passed, "expected": check.value, "message": verdict.reason}
        for check, verdict in zip(case.assertions, attempt.verdicts, strict=False)
    ]
    sources = [check.settings["source"] for check in case.assertions if check.kind == PYTHON_TEST]
    if sources:
        seen["test"] = sources[0]
    difference = _difference(attempt, case.assertions)
    if difference is not None:
        seen["difference"] = difference
    return {key: cut(value, limit=limit) for key, value in seen.items()}


def cut(value: Json, *, limit: int) -> Json:
    """The value with long texts and long lists in it cut in their middle, each with a mark of what was left out."""
    if isinstance(value, str):
        half = limit // 2
        left_out = len(value) - 2 * half
        return value if left_out <= 0 else f"{value[:half]} [... {left_out} characters left out ...] {value[-half:]}"
    if isinstance(value, Mapping):
        most = _most_items(limit)
        shown = {key: cut(item, limit=limit) for key, item in list(value.items())[:most]}
        left_out = len(value) - most
        return shown if left_out <= 0 else shown | {"[...]": f"{left_out} more keys left out"}
    if isinstance(value, Sequence):
        return _cut_list(value, limit)
    return value


def _cut_list(items: Sequence[Json], limit: int) -> list[Json]:
    most = _most_items(limit)
    left_out, half = len(items) - most, most // 2
    if left_out <= 0:
        return [cut(item, limit=limit) for item in items]
    ends = [cut(item, limit=limit) for item in (*items[:half], *items[-half:])]
    return [*ends[:half], f"[... {left_out} items left out ...]", *ends[half:]]


def _most_items(limit: int) -> int:
    return MOST_ITEMS if limit >= SHORT else FEWER_ITEMS


def _given(case: Case) -> dict[str, Json]:
    given: dict[str, Json] = dict(case.vars)
    if case.input is not None:
        given["input"] = case.input
    if not case.messages:
        return {"given": given}
    return {"given": given, "messages": [message.in_chat for message in case.messages]}


def _answered(reply: Reply | None) -> dict[str, Json]:
    if reply is None:
        return {}
    calls: list[Json] = [{"name": call.name, "arguments": call.raw_arguments} for call in reply.tool_calls]
    return {"output": reply.text} | ({"tool_calls": calls} if calls else {})


def _difference(attempt: Attempt, checks: Sequence[Assertion]) -> str | None:
    """How the output differs from the one text that it should be."""
    for check, verdict in zip(checks, attempt.verdicts, strict=False):
        wanted = check.kind == "equals" and not check.negated and isinstance(check.value, str)
        if wanted and not verdict.passed and attempt.reply is not None and not attempt.reply.tool_calls:
            return minimal_difference(str(check.value), attempt.reply.text)
    return None
