"""YAML as js-yaml reads it: version 1.2, where `Yes` and `on` are texts."""

from __future__ import annotations

from pytest_metaprompt.errors import SuiteFileError
from pytest_metaprompt.formats.marked import read_marked
from pytest_metaprompt.suites import Json


def parse_yaml(text: str, path: str) -> Json:
    """The value of a YAML text.

    Raises:
        SuiteFileError: It is none.
    """
    document = read_marked(text, path)
    if document.problems:
        raise SuiteFileError(document.problems)
    return document.root.plain()
