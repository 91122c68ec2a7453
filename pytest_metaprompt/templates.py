"""`{{name}}` in texts: find the placeholders, put values in. Nothing else is evaluated, ever."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TypeVar

from pytest_metaprompt.errors import MetapromptError

_Value = TypeVar("_Value")

_PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z_][\w-]*(?:\.[\w-]+)*)\s*\}\}")
_TAG = re.compile(r"\{%.*?%\}", re.DOTALL)
_NEARLY = re.compile(r"\{\{\s*[A-Za-z_][^{}\n]*\}\}")


class TemplateError(MetapromptError):
    """A template cannot be filled: a value is missing, or it holds more than a plain `{{name}}`."""


def placeholders(text: str) -> Counter[str]:
    """How often each name stands in the text as `{{name}}`."""
    return Counter(_PLACEHOLDER.findall(text))


@lru_cache(maxsize=1024)
def placeholder_names(text: str) -> frozenset[str]:
    """The names that stand in the text as `{{name}}`. Remembered, because a routine is rendered for every case."""
    return frozenset(_PLACEHOLDER.findall(text))


def tags(text: str) -> Counter[str]:
    """How often each piece of template code stands in the text, as `{% if x %}` or `{{x | f}}`; plain names apart."""
    code = [*_TAG.findall(text), *(one for one in _NEARLY.findall(text) if not _PLACEHOLDER.fullmatch(one))]
    return Counter(" ".join(one.split()) for one in code)


def fill(text: str, values: Mapping[str, object]) -> str:
    """The text with each `{{name}}` replaced by its value. Values are put in as they are and never looked into again.

    Strings stand for themselves, everything else as JSON; `{{a.b}}` looks into a mapping. Braces around anything that
    is not a name, as in JSON, are left alone.

    Raises:
        TemplateError: A name has no value, or the braces begin like one and hold more, as `{{name | upper}}` does.
    """
    if "{{" not in text:
        return text
    for nearly in _NEARLY.findall(text):
        if not _PLACEHOLDER.fullmatch(nearly):
            raise TemplateError(f"{nearly} is not supported", hint="only plain {{name}} placeholders are filled in")
    return _PLACEHOLDER.sub(lambda match: as_text(_look_up(match[1], values)), text)


def fill_value(text: str, values: Mapping[str, _Value]) -> _Value | str:
    """What a text stands for: a text that is one `{{name}}` and nothing else is that value, a list or number as it is.

    Raises:
        TemplateError: As `fill` does.
    """
    alone = _PLACEHOLDER.fullmatch(text)
    return _look_up(alone[1], values) if alone else fill(text, values)


def as_text(value: object) -> str:
    """A value as it appears inside a text: strings as they are, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _look_up(name: str, values: Mapping[str, _Value]) -> _Value:
    if name in values:
        return values[name]
    first, *rest = name.split(".")
    if first not in values:
        raise _no_value(name, values)
    value = values[first]
    for key in rest:
        if isinstance(value, Mapping) and key in value:
            value = value[key]
        elif isinstance(value, Sequence) and not isinstance(value, str) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        else:
            raise _no_value(name, values)
    return value


def _no_value(name: str, values: Mapping[str, object]) -> TemplateError:
    known = ", ".join(sorted(values)) or "none"
    return TemplateError(f"{{{{{name}}}}} has no value", hint=f"vars given: {known}")
