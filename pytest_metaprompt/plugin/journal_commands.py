"""`--metaprompt-journal` and `--metaprompt-revert`: they look at past repairs, and run no test."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest
from _pytest.config import create_terminal_writer

from pytest_metaprompt.errors import MetapromptError
from pytest_metaprompt.files import OWN_FOLDER
from pytest_metaprompt.plugin.options import Options
from pytest_metaprompt.repair.past_repairs import explained, last_written, read_journal, take_back
from pytest_metaprompt.repair.visible import visible


def run_command(config: pytest.Config, options: Options) -> pytest.ExitCode:
    """Do what was asked for.

    Raises:
        pytest.UsageError: There is no journal, or the last repair cannot be taken back.
    """
    folder = config.rootpath / OWN_FOLDER
    writer = create_terminal_writer(config)
    try:
        entries = read_journal(folder)
        if options.journal:
            for line in explained(entries):
                writer.line(visible(line))
        if options.revert:
            written = last_written(entries)
            which = f"{written.routine}: the repair of {written.at[:16].replace('T', ' ')}"
            if take_back(written, folder):
                for line in _diff(written.after, written.before, written.file):
                    writer.line(visible(line))
                writer.line(f"{which} was taken back")
            else:
                writer.line(f"{which} had not reached the file, so nothing was changed")
    except MetapromptError as error:
        raise pytest.UsageError(str(error)) from None
    return pytest.ExitCode.OK


def _diff(before: str, after: str, file: Path) -> list[str]:
    old, new = before.splitlines(), after.splitlines()
    return list(difflib.unified_diff(old, new, f"a/{file.name}", f"b/{file.name}", lineterm=""))
