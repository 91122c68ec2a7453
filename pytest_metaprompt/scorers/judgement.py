"""Reading a judge's answer narrowly: what is missing or of the wrong kind is no verdict but an error."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pytest_metaprompt.errors import ScorerError
from pytest_metaprompt.results import Attempt, Verdict
from pytest_metaprompt.scorers.excerpts import excerpt_json
from pytest_metaprompt.scorers.values import problem
from pytest_metaprompt.scorers.verdicts import reply_of
from pytest_metaprompt.suites import Assertion, Json, Message

REASON: Json = {"type": "string"}
PASS: Json = {"type": "boolean"}


def verdict(*, passed: bool, score: float, reason: str) -> Verdict:
    """A graded verdict; `Labelled` adds the type."""
    return Verdict(type="", passed=passed, score=min(1.0, max(0.0, score)), reason=reason)


def object_schema(**properties: Json) -> Json:
    """The JSON Schema of an object with exactly these keys, all of them required."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def read_truth(answer: Mapping[str, Json], key: str) -> bool:
    """The truth value under a key; never a word or a number that might be meant as one."""
    value = answer.get(key)
    if not isinstance(value, bool):
        raise _malformed(answer, f"{key} must be true or false")
    return value


def read_score(answer: Mapping[str, Json], key: str, *, most: float) -> float:
    """The number from 0 to `most` under a key."""
    value = answer.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _malformed(answer, f"{key} must be a number from 0 to {most:g}")
    if not 0 <= value <= most:
        raise _malformed(answer, f"{key} must lie between 0 and {most:g}")
    return float(value)


def read_reason(answer: Mapping[str, Json]) -> str:
    """What the judge says of its verdict; it may leave that out."""
    value = answer.get("reason", "")
    if not isinstance(value, str):
        raise _malformed(answer, "reason must be a text")
    return value.strip() or "(the judge gave no reason)"


def read_strings(answer: Mapping[str, Json], key: str) -> tuple[str, ...]:
    """The texts under a key, at least one."""
    value = answer.get(key)
    texts = [item for item in value if isinstance(item, str) and item.strip()] if isinstance(value, list) else []
    if not isinstance(value, list) or not texts or len(texts) != len(value):
        raise _malformed(answer, f"{key} must be a list of texts")
    return tuple(texts)


def read_numbered(answer: Mapping[str, Json], key: str, truth: str, *, count: int) -> Mapping[int, bool]:
    """For each number from 1 to `count` the truth value that the list under `key` gives it, each exactly once."""
    value = answer.get(key)
    if not isinstance(value, list):
        raise _malformed(answer, f"{key} must be a list")
    found: dict[int, bool] = {}
    for item in value:
        number = item.get("number") if isinstance(item, Mapping) else None
        if not isinstance(item, Mapping) or not isinstance(number, int) or number in found or number is True:
            raise _malformed(answer, f"{key} must give every number once")
        found[number] = read_truth(item, truth)
    if set(found) != set(range(1, count + 1)):
        raise _malformed(answer, f"{key} must give the numbers 1 to {count}")
    return found


def read_share(assertion: Assertion, *, default: float) -> float:
    """The threshold, above 0 and up to 1; at 0 the assertion would hold for every reply."""
    threshold = default if assertion.threshold is None else assertion.threshold
    if not 0 < threshold <= 1:
        hint = "at 0 it would hold for every reply" if threshold == 0 else None
        raise problem(assertion, f"threshold must be above 0 and at most 1, not {threshold:g}", hint=hint)
    return threshold


def dialogue_of(attempt: Attempt) -> Sequence[Message]:
    """What the user and the target said to each other, without the routine's instructions and the last reply."""
    said = [*attempt.messages, *attempt.transcript]
    if attempt.transcript and attempt.transcript[-1].role == "assistant":
        said = said[:-1]
    return [message for message in said if message.role not in ("system", "developer")]


def shown(message: Message) -> Json:
    """A message as a judge sees it."""
    calls = message.extra.get("tool_calls")
    return {"role": message.role, "content": message.content, **({"tool_calls": calls} if calls else {})}


def graded_data(attempt: Attempt) -> dict[str, Json]:
    """The sections that every judge sees: what was said before, the reply, and the tools it calls."""
    reply = reply_of(attempt)
    sections: dict[str, Json] = {"conversation before the reply": [shown(one) for one in dialogue_of(attempt)]}
    sections["reply to grade"] = reply.text
    if reply.tool_calls:
        sections["tools that the reply calls"] = [
            {"name": call.name, "arguments": call.raw_arguments} for call in reply.tool_calls
        ]
    return sections


def _malformed(answer: Mapping[str, Json], what: str) -> ScorerError:
    return ScorerError(f"the judge's verdict is malformed: {what}, in {excerpt_json(answer)}")
