"""Names the recorded request that is nearest to one that is not recorded, and what differs: pure."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence

from pytest_metaprompt.suites import Json

_COMPARED = 8
_AROUND = 20
_LONGEST = 60

RequestJson = Mapping[str, Json]


def describe_nearest(wanted: RequestJson, recorded: Sequence[RequestJson]) -> str:
    """The difference to the nearest of the recorded requests, in one line; there must be one."""
    likely = sorted(recorded, key=lambda one: _shared(wanted, one), reverse=True)[:_COMPARED]
    nearest = max(likely, key=lambda one: _likeness(wanted, one))
    return f"the nearest recording differs in {'; '.join(_differences(wanted, nearest))}"


def _shared(wanted: RequestJson, other: RequestJson) -> int:
    """How much is equal, cheaply: messages first, then the rest."""
    same = sum(one == two for one, two in zip(_messages(wanted), _messages(other), strict=False))
    return 4 * same + sum(wanted[key] == other[key] for key in ("model", "params", "sample"))


def _likeness(wanted: RequestJson, other: RequestJson) -> float:
    pairs = zip(_messages(wanted), _messages(other), strict=False)
    alike = sum(difflib.SequenceMatcher(None, _text(one), _text(two)).quick_ratio() for one, two in pairs)
    return 4 * alike + sum(wanted[key] == other[key] for key in ("model", "params", "sample"))


def _differences(wanted: RequestJson, nearest: RequestJson) -> Iterator[str]:
    if wanted["model"] != nearest["model"]:
        yield f"the model: {wanted['model']}, recorded {nearest['model']}"
    yield from _param_differences(_mapping(wanted["params"]), _mapping(nearest["params"]))
    yield from _message_differences(_messages(wanted), _messages(nearest))
    if wanted["sample"] != nearest["sample"]:
        yield f"the sample: number {wanted['sample']} of this call, recorded {nearest['sample']}"


def _param_differences(wanted: RequestJson, recorded: RequestJson) -> Iterator[str]:
    for key in sorted({*wanted, *recorded}):
        if key not in recorded:
            yield f"{key}: {_shown(wanted[key])}, recorded without it"
        elif key not in wanted:
            yield f"{key}: not set, recorded {_shown(recorded[key])}"
        elif json.dumps(wanted[key]) != json.dumps(recorded[key]):
            yield f"{key}: {_shown(wanted[key])}, recorded {_shown(recorded[key])}"


def _message_differences(wanted: Sequence[Json], recorded: Sequence[Json]) -> Iterator[str]:
    if len(wanted) != len(recorded):
        yield f"the number of messages: {len(wanted)}, recorded {len(recorded)}"
    for number, (one, two) in enumerate(zip(wanted, recorded, strict=False)):
        if one != two:
            here, there = _from_first_difference(_text(one), _text(two))
            yield f"message {number} ({_mapping(one).get('role')}): {here!r}, recorded {there!r}"
            return


def _from_first_difference(one: str, two: str) -> tuple[str, str]:
    same = next((at for at, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))
    start = max(0, same - _AROUND)
    return _cut(one, start), _cut(two, start)


def _cut(text: str, start: int) -> str:
    end = start + _LONGEST
    return f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}"


def _shown(value: Json) -> str:
    return _cut(json.dumps(value, ensure_ascii=False), 0)


def _messages(request: RequestJson) -> Sequence[Json]:
    found = request["messages"]
    return found if isinstance(found, list) else []


def _mapping(value: Json) -> RequestJson:
    return value if isinstance(value, Mapping) else {}


def _text(message: Json) -> str:
    """What a message says: its content, or all of it where that is equal or no text."""
    content = _mapping(message).get("content")
    extra = {key: value for key, value in _mapping(message).items() if key not in ("role", "content")}
    return str(content) + (f" {json.dumps(extra, ensure_ascii=False)}" if extra else "")
