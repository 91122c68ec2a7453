"""Paths into a JSON value, as reasons show them and `ignore_paths` takes them: `customer.city`, `items[*].id`."""

from __future__ import annotations

import json
import re

from pytest_metaprompt.scorers.json_values import Plain

Step = str | int
"""A key of an object, or a place in a list."""

_PLAIN_KEY = re.compile(r"[^.\[\]\"*\s]+")
_STEP = re.compile(
    r"""\[(?P<place>\d+)\] | (?P<all>\[\*\]) | \[(?P<quoted>"(?:[^"\\]|\\.)*")\] | \.?(?P<key>[^.\[\]]+)""", re.X
)


class PathError(ValueError):
    """The text is not a path."""


class Anything:
    """Stands for every key or every place, written `*`."""


ANYTHING = Anything()
Pattern = tuple[Step | Anything, ...]
"""A path in which `*` may stand for any step."""


def show_path(path: tuple[Step, ...]) -> str:
    """The path as text, such as `items[0].name`; a key with odd characters is quoted, as in `["a.b"]`."""
    text = ""
    for step in path:
        if isinstance(step, str) and _PLAIN_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{json.dumps(step, ensure_ascii=False)}]"
    return text


def parse_pattern(text: str) -> Pattern:
    """The pattern that a text such as `items[*].id` stands for.

    Raises:
        PathError: The text is not one.
    """
    steps: list[Step | Anything] = []
    position = 0
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None or (position == 0 and text.startswith(".")):
            break
        steps.append(_step(match))
        position = match.end()
    if not steps or position < len(text):
        raise PathError(f"{text!r} is not a path")
    return tuple(steps)


def without(value: Plain, pattern: Pattern) -> Plain:
    """The value without what the pattern points at. An item of a list becomes null, so that others keep their place."""
    step, rest = pattern[0], pattern[1:]
    if isinstance(value, dict) and not isinstance(step, int):
        pruned = {key: without(item, rest) if rest and _fits(key, step) else item for key, item in value.items()}
        return pruned if rest else {key: item for key, item in pruned.items() if not _fits(key, step)}
    if isinstance(value, list) and isinstance(step, Anything):
        return [without(item, rest) for item in value] if rest else []
    if isinstance(value, list) and isinstance(step, int):
        items: list[Plain] = [without(item, rest) for item in value[step : step + 1]] if rest else [None]
        return [*value[:step], *items, *value[step + 1 :]]
    return value


def without_all(value: Plain, patterns: tuple[Pattern, ...]) -> Plain:
    """The value without what any of the patterns points at."""
    for pattern in patterns:
        value = without(value, pattern)
    return value


def _step(match: re.Match[str]) -> Step | Anything:
    if match["place"]:
        return int(match["place"])
    if match["quoted"]:
        key: str = json.loads(match["quoted"])
        return key
    return ANYTHING if match["all"] or match["key"] == "*" else match["key"]


def _fits(key: str, step: Step | Anything) -> bool:
    return isinstance(step, Anything) or key == step
