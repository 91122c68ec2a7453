"""Every text of real configuration files can be replaced, alone. The files are read where they lie, never copied."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_metaprompt.embedded.json_strings import replace_string
from pytest_metaprompt.embedded.yaml_scalars import read_scalar, replace_scalar
from pytest_metaprompt.errors import RoutineError

DATA = Path(__file__).parents[3] / "shared" / "data" / "promptfoo" / "cases"
A_FILE = 15
NEW = "Say: it's {{v}}\n- done # yes\n"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the shared data is not beside this checkout")


class Loader(yaml.CSafeLoader):
    """libyaml reads more than PyYAML's own parser: `{a: what?, b: c}`. A lone `=` is a text in YAML 1.2."""


Loader.add_constructor("tag:yaml.org,2002:value", Loader.construct_scalar)


def load(text: str) -> Any:
    return yaml.load(text, Loader=Loader)


def texts_in(value: Any, keys: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], str]]:
    if isinstance(value, str):
        yield keys, value
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in pairs:
        yield from texts_in(one, (*keys, key))


def changed_values(before: Any, after: Any) -> list[tuple[Any, ...]]:
    old, new = dict(texts_in(before)), dict(texts_in(after))
    return [keys for keys in new if old.get(keys) != new[keys]]


def test_every_text_of_every_yaml_file_is_replaced_alone() -> None:
    seen = 0
    for path in sorted(DATA.rglob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        before = load(text)
        for keys, value in islice(texts_in(before), A_FILE):
            if not all(isinstance(key, str | int) for key in keys):
                continue
            try:
                changed = replace_scalar(text, keys, NEW)
            except RoutineError as error:
                assert "repeated elsewhere" in error.message, (path, keys, error)  # noqa: PT017
                continue
            assert read_scalar(changed, keys) == NEW
            assert changed_values(before, load(changed)) == [keys]
            assert replace_scalar(text, keys, value) == text
            seen += 1
    assert seen > 300


def test_every_text_of_every_json_file_is_replaced_alone() -> None:
    seen = 0
    for path in sorted(DATA.rglob("*.json")):
        text = path.read_text(encoding="utf-8")
        before = json.loads(text)
        for keys, value in islice(texts_in(before), A_FILE):
            changed = replace_string(text, keys, NEW)
            assert changed_values(before, json.loads(changed)) == [keys]
            assert replace_string(text, keys, value) == text
            seen += 1
    assert seen > 10
