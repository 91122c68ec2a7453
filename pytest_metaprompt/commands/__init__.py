"""The commands of `python -m pytest_metaprompt`, one file each. To add one, write its module and a row of `_TABLE`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from pytest_metaprompt.commands import batches, convert, history, schema
from pytest_metaprompt.commands.command import Command
from pytest_metaprompt.errors import MetapromptError

_TABLE: tuple[Command, ...] = (
    Command("batches", "list the batches under way, or cancel one", batches.add_arguments, batches.run),
    Command("convert", "turn another tool's file into a suite", convert.add_arguments, convert.run),
    Command("history", "print what suites came to, run by run", history.add_arguments, history.run),
    Command("schema", "print the JSON Schema of suites, for editors, or of reports", schema.add_arguments, schema.run),
)


def main(arguments: Sequence[str]) -> int:
    """Runs one command and gives its exit code: 0 it is done, 1 it could not be, 2 it was not called rightly."""
    parser = argparse.ArgumentParser(prog="python -m pytest_metaprompt", description="Commands beside pytest.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _TABLE:
        own = commands.add_parser(command.name, help=command.help, description=f"{command.help.capitalize()}.")
        command.add_arguments(own)
        own.set_defaults(run=command.run)
    chosen = parser.parse_args(arguments)
    try:
        return int(chosen.run(chosen))
    except MetapromptError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
