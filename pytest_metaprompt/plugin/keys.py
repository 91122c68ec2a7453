"""Where the session's state hangs on pytest's configuration. Light, so that every session may import it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_metaprompt.plugin.options import Options

if TYPE_CHECKING:
    from pytest_metaprompt.plugin.session import PromptSession

options_key = pytest.StashKey[Options]()
session_key = pytest.StashKey["PromptSession"]()


def session_of(config: pytest.Config) -> PromptSession:
    """The session's state, made when the first suite file is met."""
    if session_key not in config.stash:
        from pytest_metaprompt.plugin.providers import add_hooked_providers
        from pytest_metaprompt.plugin.session import PromptSession

        problems = add_hooked_providers(config)
        config.stash[session_key] = PromptSession(config, config.stash[options_key])
        config.stash[session_key].problems.extend(problems)
    return config.stash[session_key]
