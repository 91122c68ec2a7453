"""Configs written into a folder and read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_metaprompt.errors import SuiteFileError
from pytest_metaprompt.formats.promptfoo.config import read_config
from pytest_metaprompt.suites import Suite

Read = Callable[..., tuple[Suite, ...]]
Refused = Callable[..., str]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """The suites of a config beside other files, by name."""

    def read_it(text: str, **files: str) -> tuple[Suite, ...]:
        for name, content in files.items():
            path = tmp_path / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        config = tmp_path / "promptfooconfig.yaml"
        config.write_text(text, encoding="utf-8")
        return read_config(config, root=tmp_path)

    return read_it


@pytest.fixture
def refused(read: Read) -> Refused:
    """Why a config is refused."""

    def why(text: str, **files: str) -> str:
        with pytest.raises(SuiteFileError) as caught:
            read(text, **files)
        return str(caught.value)

    return why
