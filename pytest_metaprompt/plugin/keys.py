"""Where the session's state hangs on pytest's configuration. Light, so that every session may import it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_metaprompt.plugin.options import Options

if TYPE_CHECKING:
    from pytest_metaprompt.plugin.session import PromptSession

options_key = pytest.StashKey[Options]()
DESK = "metaprompt_desk"
"""Under which name a worker of pytest-xdist is given the line to the controller's desk."""

session_key = pytest.StashKey["PromptSession"]()


def session_of(config: pytest.Config) -> PromptSession:
    """The session's state, made when the first suite file is met."""
    if session_key not in config.stash:
        config.stash[session_key] = _new_session(config)
        from pytest_metaprompt.plugin.providers import add_hooked_providers

        problems = add_hooked_providers(config)
        config.stash[session_key].problems.extend(problems)
    return config.stash[session_key]


def _new_session(config: pytest.Config) -> PromptSession:
    if hasattr(config, "workerinput"):
        from pytest_metaprompt.plugin.packing import Packing
        from pytest_metaprompt.plugin.wires import Wires

        channel, version = config.workerinput[DESK]
        wires = Wires(channel, Packing(config.rootpath))
        wires.knock()
        from pytest_metaprompt.plugin.worker import WorkerSession

        return WorkerSession(config, config.stash[options_key], wires, version=version)
    from pytest_metaprompt.plugin.session import PromptSession

    return PromptSession(config, config.stash[options_key])
