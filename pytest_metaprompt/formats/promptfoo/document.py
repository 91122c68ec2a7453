"""A config as a tree that knows its lines, with `$ref` followed and `{{ env.X }}` put in."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_metaprompt.errors import MetapromptError, Place, SuiteFileError, did_you_mean
from pytest_metaprompt.files import read_text
from pytest_metaprompt.formats.marked import Marked, read_marked
from pytest_metaprompt.formats.problems import shown_path
from pytest_metaprompt.nunjucks import render_nunjucks
from pytest_metaprompt.suites import Json

_ENV = re.compile(r"\{\{[^{}]*\benv\b[^{}]*\}\}")
_DEEPEST = 100


@dataclass(frozen=True, slots=True)
class Fields:
    """A mapping of a config, where it stands, and what to call it; what is absent or empty is None."""

    entries: Mapping[str, Marked]
    where: Place
    what: str

    def place(self, key: str) -> Place:
        """Where the value of a key stands."""
        return replace(self.where, line=self.entries[key].line) if key in self.entries else self.where

    def has(self, key: str) -> bool:
        """Whether the key is there and says something."""
        return key in self.entries and self.entries[key].value is not None

    def plain(self, key: str) -> Json:
        """The value under a key."""
        return self.entries[key].plain() if key in self.entries else None

    def text(self, key: str) -> str | None:
        """The text under a key."""
        value = self.plain(key)
        if value is not None and not isinstance(value, str):
            raise self.wrong(key, "a text")
        return value

    def number(self, key: str) -> float | None:
        """The number under a key."""
        value = self.plain(key)
        if isinstance(value, bool) or not isinstance(value, int | float | None):
            raise self.wrong(key, "a number")
        return value

    def flag(self, key: str) -> bool:
        """Whether the value under a key is true."""
        value = self.plain(key)
        if not isinstance(value, bool | None):
            raise self.wrong(key, "true or false")
        return value is True

    def mapping(self, key: str) -> Mapping[str, Json]:
        """The mapping under a key; empty where there is none."""
        value = self.plain(key)
        if not isinstance(value, Mapping | None):
            raise self.wrong(key, "a mapping")
        return value or {}

    def fields(self, key: str) -> Fields:
        """The mapping under a key, with its lines."""
        self.mapping(key)
        entries = self.entries[key].mapping() if self.has(key) else {}
        return Fields(entries, self.place(key), key)

    def nodes(self, key: str) -> tuple[Marked, ...]:
        """The items of the list under a key; a single value is a list of one."""
        if not self.has(key):
            return ()
        node = self.entries[key]
        return node.items() if isinstance(node.value, tuple) else (node,)

    def texts(self, key: str) -> tuple[str, ...] | None:
        """The texts in the list under a key; None where the key is absent."""
        if not self.has(key):
            return None
        values = [node.value for node in self.nodes(key)]
        if not all(isinstance(value, str) for value in values):
            raise self.wrong(key, "a list of texts")
        return tuple(value for value in values if isinstance(value, str))

    def wrong(self, key: str, expected: str) -> MetapromptError:
        """The error for a value that is not what it should be."""
        return MetapromptError(f"{key} of {self.what} must be {expected}", where=self.place(key))


def fields_of(node: Marked, path: str, what: str) -> Fields:
    """A node as a mapping.

    Raises:
        MetapromptError: It is none.
    """
    where = Place(path, node.line)
    if not isinstance(node.value, dict):
        raise MetapromptError(f"{what} must be a mapping", where=where)
    return Fields(node.mapping(), where, what)


def read_document(path: Path, *, root: Path) -> Fields:
    """The top of a config.

    Raises:
        SuiteFileError: It is no YAML, or has a `$ref` to nothing.
    """
    shown = shown_path(path, root)
    node = read_nodes(path, shown)
    if not isinstance(node.value, dict):
        raise SuiteFileError([MetapromptError("a promptfoo config must be a mapping", where=Place(shown, 1))])
    followed = _follow(node, node, shown, 0)
    env = followed.mapping().get("env")
    values = {**os.environ, **env_texts(env)} if env is not None else dict(os.environ)
    return fields_of(_with_env(followed, values), shown, "the config")


def env_texts(env: Marked | None) -> dict[str, str]:
    """What `env` sets, as texts."""
    entries = env.mapping() if env is not None and isinstance(env.value, dict) else {}
    return {name: node.value if isinstance(node.value, str) else str(node.plain()) for name, node in entries.items()}


def read_nodes(path: Path, shown: str) -> Marked:
    """The tree of a YAML or JSON file; numbers may be infinite in it, as they may in YAML.

    Raises:
        SuiteFileError: It cannot be read, or is none.
    """
    try:
        document = read_marked(read_text(path).text, shown, finite=False)
    except SuiteFileError:
        raise
    except MetapromptError as error:
        raise SuiteFileError([error]) from None
    if document.problems:
        raise SuiteFileError(document.problems)
    return document.root


def _follow(node: Marked, root: Marked, path: str, depth: int) -> Marked:
    """The tree with every `$ref: '#/a/b'` replaced by what stands there."""
    if depth > _DEEPEST:
        raise SuiteFileError([MetapromptError("$ref: there is no end to it", where=Place(path, node.line))])
    if isinstance(node.value, tuple):
        return replace(node, value=tuple(_follow(item, root, path, depth + 1) for item in node.value))
    if not isinstance(node.value, dict):
        return node
    reference = node.value.get("$ref")
    if reference is not None and isinstance(reference.value, str) and reference.value.startswith("#/"):
        return _follow(_referenced(reference.value, root, Place(path, reference.line)), root, path, depth + 1)
    return replace(node, value={key: _follow(child, root, path, depth + 1) for key, child in node.value.items()})


def _referenced(reference: str, root: Marked, where: Place) -> Marked:
    node = root
    for key in reference.removeprefix("#/").split("/"):
        key = key.replace("~1", "/").replace("~0", "~")
        known = node.value if isinstance(node.value, dict) else {}
        if key not in known:
            hint = did_you_mean(key, known) if known else None
            raise SuiteFileError([MetapromptError(f"$ref: there is no {reference!r}", where=where, hint=hint)])
        node = known[key]
    return node


def _with_env(node: Marked, env: Mapping[str, Json]) -> Marked:
    if isinstance(node.value, tuple):
        return replace(node, value=tuple(_with_env(item, env) for item in node.value))
    if isinstance(node.value, dict):
        return replace(node, value={key: _with_env(child, env) for key, child in node.value.items()})
    if isinstance(node.value, str) and "env" in node.value:
        return replace(node, value=_ENV.sub(lambda found: render_nunjucks(found[0], {"env": env}), node.value))
    return node
