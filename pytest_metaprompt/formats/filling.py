"""Putting a case's vars into what its suite says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from pytest_metaprompt.errors import Place
from pytest_metaprompt.formats.marked import Marked
from pytest_metaprompt.formats.problems import Problems
from pytest_metaprompt.suites import Json
from pytest_metaprompt.templates import TemplateError, fill, fill_value

_Filled = TypeVar("_Filled")


@dataclass(frozen=True, slots=True)
class Filling:
    """Fills `{{name}}` with one case's vars. What cannot be filled is noted as a problem and left as it is.

    `shared` says that the text serves several cases, so that a problem has to name the case, and only the first one.
    """

    values: Mapping[str, Json]
    problems: Problems
    case: Place
    shared: bool = False

    def text(self, node: Marked) -> str:
        """A text, filled."""
        return self._filled(node, node.text(), fill)

    def json(self, node: Marked) -> Json:
        """A value with all the texts in it filled; keys stay as they are. A text that is one `{{name}}` and nothing
        else becomes that var's value as it is: a number, a list, a mapping."""
        if isinstance(node.value, str):
            return self._filled(node, node.value, fill_value)
        if isinstance(node.value, dict):
            return {key: self.json(child) for key, child in node.value.items()}
        if isinstance(node.value, tuple):
            return [self.json(child) for child in node.value]
        return node.value

    def _filled(self, node: Marked, text: str, how: Callable[[str, Mapping[str, Json]], _Filled]) -> _Filled | str:
        if "{{" not in text:
            return text
        try:
            return how(text, self.values)
        except TemplateError as error:
            message = f"{error.message} in the case at {self.case}" if self.shared else error.message
            self.problems.add(self.problems.at(node.line), message, hint=error.hint, once_for=error.message)
            return text
