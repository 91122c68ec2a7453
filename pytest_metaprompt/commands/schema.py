"""`schema`: the JSON Schema of suites, as editors want it."""

from __future__ import annotations

import argparse

from pytest_metaprompt.formats.schemas import schema_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It has none."""


def run(arguments: argparse.Namespace) -> int:
    """Print the schema."""
    print(schema_text(), end="")
    return 0
