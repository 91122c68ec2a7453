"""A folder with a suite and what it names, as a user would have it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_metaprompt.errors import MetapromptError, SuiteFileError
from pytest_metaprompt.formats.native import read_suite
from pytest_metaprompt.suites import Assertion, Case, ModelSpec, Suite

NAME = "s.metaprompt.yaml"
CASE = "cases: [{input: hi, expect: ho}]\n"
HEAD = "routine: r.md\n"


def parse_model(text: str) -> ModelSpec:
    provider, colon, name = text.partition(":")
    if not colon:
        raise MetapromptError(f"unknown model {text!r}", hint="write provider:name")
    return ModelSpec(provider, name)


def accept(assertion: Assertion) -> None:
    """Every assertion can work."""


@dataclass(frozen=True)
class Folder:
    path: Path
    check: Callable[[Assertion], None] = accept

    def put(self, name: str, content: str | bytes) -> Folder:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return self

    def suite(self, text: str | bytes) -> Suite:
        self.put(NAME, text)
        return read_suite(self.path / NAME, root=self.path, parse_model=parse_model, check_assertion=self.check)

    def cases(self, text: str) -> tuple[Case, ...]:
        return self.suite(HEAD + text).cases

    def problems(self, text: str | bytes) -> list[str]:
        with pytest.raises(SuiteFileError) as caught:
            self.suite(text)
        return [str(problem).removeprefix(f"{NAME}:") for problem in caught.value.problems]
