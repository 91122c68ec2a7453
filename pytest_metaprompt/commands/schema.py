"""`schema`: the JSON Schema of suites, as editors want it, or of reports."""

from __future__ import annotations

import argparse

from pytest_metaprompt.formats.schemas import schema_text
from pytest_metaprompt.reports.json_report import report_schema_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `schema` takes."""
    parser.add_argument("--report", action="store_true", help="print the schema of JSON reports instead")


def run(arguments: argparse.Namespace) -> int:
    """Print the schema."""
    print(report_schema_text() if arguments.report else schema_text(), end="")
    return 0
