"""Files of other tools -> the draft of a suite. Each tool has a file; which one a file is of, its content says."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_metaprompt.converting.deepeval import convert_deepeval
from pytest_metaprompt.converting.drafts import Draft, Source, as_list, as_mapping
from pytest_metaprompt.converting.github_prompts import convert_github_prompt
from pytest_metaprompt.converting.openai_evals import convert_registry, convert_samples
from pytest_metaprompt.converting.openai_hosted import convert_hosted
from pytest_metaprompt.converting.promptfoo import convert_promptfoo
from pytest_metaprompt.errors import MetapromptError, Place
from pytest_metaprompt.files import read_text
from pytest_metaprompt.formats.marked import read_marked
from pytest_metaprompt.formats.records import parse_json, read_json_lines
from pytest_metaprompt.formats.tables import CsvForm, read_rows
from pytest_metaprompt.suites import Json

__all__ = ["KINDS", "convert_file"]

_GOLDEN = {"expected_output", "expectedOutput", "actual_output", "actualOutput", "expected_tools", "expectedTools"}


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a tool's file looks like, and who converts it."""

    is_one: Callable[[Json], bool]
    convert: Callable[[Source], Draft]


def _first(content: Json) -> Mapping[str, Json]:
    rows = as_list(content)
    return as_mapping(rows[0]) if rows else {}


_KINDS: Mapping[str, _Kind] = {
    "github": _Kind(lambda top: {"messages", "testData"} <= as_mapping(top).keys(), convert_github_prompt),
    "promptfoo": _Kind(lambda top: {"prompts", "tests"} <= as_mapping(top).keys(), convert_promptfoo),
    "openai-evals": _Kind(
        lambda top: any("class" in as_mapping(entry) for entry in as_mapping(top).values()), convert_registry
    ),
    "openai-samples": _Kind(lambda top: {"input", "ideal"} <= _first(top).keys(), convert_samples),
    "deepeval": _Kind(lambda top: "input" in _first(top) and bool(_GOLDEN & _first(top).keys()), convert_deepeval),
    "openai-hosted": _Kind(lambda top: "testing_criteria" in str(top), convert_hosted),
}
KINDS = tuple(_KINDS)
"""The tools whose files can be converted."""


def convert_file(path: Path, *, kind: str | None, known: Collection[str], folder: Path, name: str | None) -> Draft:
    """The draft of a suite of a foreign file. `known` are the assertions that a suite can have, `folder` is where it
    will stand, and `name` says which of several evals is wanted.

    Raises:
        MetapromptError: The file cannot be read, is of no known tool, or no suite can be made of it.
    """
    content = _read(path)
    found = kind or next((name for name, one in _KINDS.items() if one.is_one(content)), None)
    if found is None:
        hint = f"say which it is with  --from {'|'.join(KINDS)}"
        raise MetapromptError("the file is of no tool that is known here", where=Place(str(path)), hint=hint)
    return _KINDS[found].convert(Source(path, content, known, folder, name))


def _read(path: Path) -> Json:
    shown, suffix = str(path), path.suffix.lower()
    if suffix in (".jsonl", ".ndjson"):
        return [row.cells for row in read_json_lines(path, shown=shown)]
    if suffix == ".csv":
        return [row.cells for row in read_rows(path, CsvForm(), shown=shown)]
    text = read_text(path).text
    return parse_json(text, shown=shown) if suffix == ".json" else read_marked(text, shown).root.plain()
