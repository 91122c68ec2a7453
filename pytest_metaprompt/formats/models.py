"""A model in a suite: `provider:name`, or a mapping with parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_metaprompt.errors import MetapromptError, Place
from pytest_metaprompt.files import read_text
from pytest_metaprompt.formats.marked import Marked
from pytest_metaprompt.formats.nearby import find_file
from pytest_metaprompt.formats.problems import Problems, shown_path
from pytest_metaprompt.formats.records import parse_json, parse_yaml
from pytest_metaprompt.suites import Json, ModelSpec, Price

ParseModel = Callable[[str], ModelSpec]
"""`provider:name` as a `ModelSpec`; raises a `MetapromptError` if it is none."""

_TOOL_ENDINGS = (".json", ".yaml", ".yml")
_NOT_PARAMS = frozenset({"model", "base_url", "api_key_env", "price", "context"})


@dataclass(frozen=True, slots=True)
class ModelReader:
    """Reads the models of one suite."""

    parse: ParseModel
    folder: Path
    root: Path
    problems: Problems

    def read(self, node: Marked, line: int) -> ModelSpec | None:
        """The model; None, and a problem noted, where it is none."""
        with self.problems.noting(self.problems.at(line)):
            return self._read(node)
        return None

    def _read(self, node: Marked) -> ModelSpec:
        if isinstance(node.value, str):
            return self.parse(node.value)
        entries = node.mapping()
        params = {key: child.plain() for key, child in entries.items() if key not in _NOT_PARAMS}
        if "tools" in entries and isinstance(entries["tools"].value, str):
            with self.problems.noting(self.problems.at(node.key_lines["tools"])):
                params["tools"] = _read_tools(entries["tools"].value, self.folder, self.root)
        return replace(
            self.parse(entries["model"].text()),
            params=params,
            base_url=entries["base_url"].text() if "base_url" in entries else None,
            api_key_env=entries["api_key_env"].text() if "api_key_env" in entries else None,
            price=_read_price(entries["price"]) if "price" in entries else None,
            context=int(entries["context"].number()) if "context" in entries else None,
        )


def _read_price(node: Marked) -> Price:
    price = node.mapping()
    cached = price.get("cached_input_per_mtok")
    return Price(
        price["input_per_mtok"].number(),
        price["output_per_mtok"].number(),
        cached.number() if cached is not None else None,
    )


def _read_tools(name: str, folder: Path, root: Path) -> Json:
    if not name.endswith(_TOOL_ENDINGS):
        raise MetapromptError(f"the tools file {name!r} must end in .json, .yaml or .yml")
    path = find_file(name, folder, what="the tools file")
    shown = shown_path(path, root)
    text = read_text(path).text
    tools = parse_json(text, shown=shown) if name.endswith(".json") else parse_yaml(text, shown=shown)
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise MetapromptError("the tools must be a list of mappings", where=Place(shown))
    return tools
