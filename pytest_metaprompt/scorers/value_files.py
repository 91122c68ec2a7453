"""`value: file://...`: the value stands in a file beside the suite."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from pytest_metaprompt.errors import FileAccessError
from pytest_metaprompt.files import FILE_PREFIX, read_text
from pytest_metaprompt.scorers.values import problem
from pytest_metaprompt.suites import Assertion, Json

CODE = ("python", "javascript")
"""The types whose value is code."""


def names_file(value: Json) -> bool:
    """Whether the value is a reference to a file."""
    return isinstance(value, str) and value.startswith(FILE_PREFIX)


def load_value(assertion: Assertion, *, base: Path) -> Assertion:
    """The assertion with what its file holds as value: JSON and YAML parsed, a text without the space around it.

    A file of code is not read here: its path is made absolute. An assertion without `file://` is returned as it is.

    Raises:
        MetapromptError: The file cannot be read or parsed, or is of another sort.
    """
    if not isinstance(assertion.value, str) or not names_file(assertion.value):
        return assertion
    name = assertion.value.removeprefix(FILE_PREFIX)
    if assertion.kind in CODE:
        return replace(assertion, value=f"{FILE_PREFIX}{base / name}")
    return replace(assertion, value=_load(assertion, base / name))


def read_value_file(assertion: Assertion, path: Path) -> str:
    """The text of a file that the assertion's value names; an error names the assertion's place."""
    try:
        return read_text(path).text
    except FileAccessError as error:
        raise FileAccessError(f"{assertion.type}: {error.message}", where=assertion.where) from None


def parse_yaml(text: str) -> Json:
    """The value of a YAML or JSON text, safely, with the booleans of YAML 1.2: `yes` and `on` are texts.

    Raises:
        ValueError: It is neither.
    """
    with suppress(ValueError, RecursionError):  # YAML does not take the tabs of JSON.
        parsed: Json = json.loads(text)
        return parsed
    import yaml

    class Loader(yaml.SafeLoader):
        """YAML 1.2's idea of booleans, and no dates."""

    Loader.yaml_implicit_resolvers = {
        first: [entry for entry in entries if not entry[0].endswith((":bool", ":timestamp"))]
        for first, entries in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    Loader.add_implicit_resolver(
        "tag:yaml.org,2002:bool", re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
    )
    try:
        value: Json = yaml.load(text, Loader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from None
    return value


def _load(assertion: Assertion, path: Path) -> Json:
    ending = path.suffix.lower()
    if ending not in {".json", ".yaml", ".yml", ".txt", ".md"}:
        raise problem(assertion, f"cannot take a value from {path.name}", hint="use .json, .yaml, .yml, .txt or .md")
    text = read_value_file(assertion, path)
    if ending in {".txt", ".md"}:
        return text.strip()
    try:
        value: Json = json.loads(text) if ending == ".json" else parse_yaml(text)
    except (ValueError, RecursionError) as error:
        raise problem(assertion, f"{path} cannot be read as {ending[1:].upper()}: {error}") from None
    return value
