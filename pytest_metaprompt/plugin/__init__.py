"""The pytest plugin: its hooks, each handing over to the part that knows.

Importing this loads neither an SDK nor a template engine; a session without prompt suites does nothing more.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_metaprompt.plugin import plain_imports  # noqa: F401  # Before the others: it changes how they are imported.
from pytest_metaprompt.plugin.fixtures import MARKER, routine
from pytest_metaprompt.plugin.keys import options_key, session_of
from pytest_metaprompt.plugin.kinds import kind_of
from pytest_metaprompt.plugin.option_table import add_options
from pytest_metaprompt.plugin.options import read_options, refuse_xdist

if TYPE_CHECKING:
    from pytest_metaprompt.plugin.collection import SuiteFile

__all__ = ["routine"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register the options."""
    add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Register the hooks that users may implement."""
    from pytest_metaprompt import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    """Read the options; everything else waits until a suite file is met."""
    from pytest_metaprompt.plugin.hooks import Hooks

    config.addinivalue_line("markers", MARKER)

    options = config.stash[options_key] = read_options(config)
    refuse_xdist(config, options)
    if options.trace:
        from pytest_metaprompt.plugin.tracing import refuse_without_package

        refuse_without_package()
    if options.fix and options.mode == "review":
        from pytest_metaprompt.plugin.reviewing import refuse_without_terminal

        refuse_without_terminal(config)
    config.pluginmanager.register(Hooks(config, options), "metaprompt-session")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> pytest.ExitCode | None:
    """Look at past repairs in place of running tests, if that was asked for."""
    if not (config.option.metaprompt_journal or config.option.metaprompt_revert):
        return None
    from pytest_metaprompt.plugin.journal_commands import run_command

    return run_command(config, read_options(config))


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> SuiteFile | None:
    """Collect suite files."""
    listed = parent.config.stash[options_key].collect
    kind = kind_of(file_path.name, named=parent.session.isinitpath(file_path), listed=listed)
    if kind is None:
        return None
    session_of(parent.config)  # A worker of pytest-xdist tells the controller first, and imports the rest meanwhile.
    from pytest_metaprompt.plugin.collection import SuiteFile

    return SuiteFile.from_parent(parent, path=file_path, kind=kind)
