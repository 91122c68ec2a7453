"""The vars of a test as its prompt sees them: files read, one mention of another var after the other put in."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from pathlib import Path

from pytest_metaprompt.errors import FileAccessError, MetapromptError
from pytest_metaprompt.files import FILE_PREFIX, read_text
from pytest_metaprompt.formats.records import parse_yaml
from pytest_metaprompt.js_values import js_json, js_text, js_value
from pytest_metaprompt.python_files import UserCodeError, call_function
from pytest_metaprompt.suites import Json

_MENTION = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_PASSES = 5
_BINARY = frozenset(
    ["jpg", "jpeg", "png", "gif", "bmp", "webp", "svg", "mp4", "webm", "ogg", "mov", "avi", "wmv", "mkv", "m4v"]
)
_REFUSED = {"pdf": "a PDF", "js": "JavaScript", "cjs": "JavaScript", "mjs": "JavaScript", "ts": "TypeScript"}


def load_variables(values: Mapping[str, Json], *, folder: Path, prompt: str) -> dict[str, Json]:
    """The vars with what their files hold in place of every `file://`.

    Text and JSON files are texts without the space around them, YAML becomes JSON, `.py` is asked by its `get_var`, and
    pictures are written in base64.

    Raises:
        MetapromptError: A file cannot be read or is of a sort that cannot be.
    """
    loaded = dict(values)
    for name, value in values.items():
        if isinstance(value, str) and value.startswith(FILE_PREFIX):
            loaded[name] = _read(name, folder / value.removeprefix(FILE_PREFIX), prompt, loaded)
    return loaded


def resolve_variables(values: Mapping[str, Json]) -> dict[str, Json]:
    """The vars with mentions of other vars replaced: in each of five passes, the first mention in each text.

    A line break at the end of a text goes. A first mention of a name without a value holds up the ones behind it. What
    is put in is taken as it is, without a meaning for `$`.
    """
    texts = {name: value.removesuffix("\n") if isinstance(value, str) else value for name, value in values.items()}
    for _ in range(_PASSES):
        replaced = False
        for name, value in texts.items():
            found = _MENTION.search(value) if isinstance(value, str) else None
            if found is not None and found[1] in texts and isinstance(value, str):
                texts[name] = value.replace(found[0], js_text(texts[found[1]]), 1)
                replaced = True
        if not replaced:
            break
    return texts


def _read(name: str, path: Path, prompt: str, values: Mapping[str, Json]) -> str:
    ending = path.suffix.lower().removeprefix(".")
    if ending in _REFUSED:
        raise MetapromptError(f"the var {name!r} cannot come from {_REFUSED[ending]}: {path.name}")
    if ending == "py":
        return _asked(name, path, prompt, values)
    if ending in ("yaml", "yml"):
        return js_json(js_value(parse_yaml(read_text(path).text, shown=str(path))))
    if ending in _BINARY:
        try:
            return base64.b64encode(path.read_bytes()).decode()
        except OSError as error:
            raise FileAccessError.reading(path, error) from None
    return read_text(path).text.strip()


def _asked(name: str, path: Path, prompt: str, values: Mapping[str, Json]) -> str:
    answer = call_function(path, "get_var", name, prompt, dict(values))
    error = answer.get("error") if isinstance(answer, Mapping) else None
    output = answer.get("output") if isinstance(answer, Mapping) else None
    if error or not isinstance(output, str) or not output:
        said = error or f"returned {answer!r}"
        raise UserCodeError(f"{path.name}:get_var for {name!r}: {said}", hint='return {"output": "a text"}')
    return output.strip()
