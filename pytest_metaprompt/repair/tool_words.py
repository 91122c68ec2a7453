"""Words of a text that look like names of tools."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from pytest_metaprompt.suites import Json

_SNAKE = re.compile(r"\b[a-z][a-z0-9]*(?:_[a-z0-9]+)+\b")
_CAMEL = re.compile(r"\b[a-z][a-z0-9]*(?:[A-Z][a-z0-9]*)+\b")


def tool_words(text: str, *, tools: Iterable[str]) -> dict[str, None]:
    """The words in snake case, and those in camel case where a tool is named so. Elsewhere camel case is how brands are
    written."""
    camel = any(_CAMEL.fullmatch(name) for name in tools)
    return dict.fromkeys([*_SNAKE.findall(text), *(_CAMEL.findall(text) if camel else ())])


def words_of_tools(definitions: Json, *, tools: Iterable[str]) -> set[str]:
    """The same of the tools' own definitions: their names, their parameters, and what their descriptions speak of."""
    return set(tool_words(json.dumps(definitions, default=dict), tools=tools))
