"""Which files are suites, by name. Light: every file of every project passes here."""

from __future__ import annotations

from collections.abc import Collection
from fnmatch import fnmatchcase
from typing import Literal

Kind = Literal["native", "promptfoo", "github"]

_NATIVE = ("*.metaprompt.yaml", "*.metaprompt.yml")
_FOREIGN: dict[Kind, tuple[str, ...]] = {
    "promptfoo": ("promptfooconfig*.yaml", "promptfooconfig*.yml", "promptfooconfig*.json"),
    "github": ("*.prompt.yml", "*.prompt.yaml"),
}

COLLECTABLE = tuple(_FOREIGN)
"""The kinds that are collected only where they are named, or listed in `metaprompt_collect`."""


def kind_of(name: str, *, named: bool, listed: Collection[str]) -> Kind | None:
    """What a file is, by its name; `named` says that the command line names it, `listed` is `metaprompt_collect`."""
    if _matches(name, _NATIVE):
        return "native"
    return next((kind for kind, names in _FOREIGN.items() if (named or kind in listed) and _matches(name, names)), None)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
