"""The providers of models that the user's plugins add."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from pytest_metaprompt.clients.models import OpenAdded, add_providers
from pytest_metaprompt.errors import MetapromptError, SetupError


def add_hooked_providers(config: pytest.Config) -> list[MetapromptError]:
    """Make them known until the session ends; what is wrong with them is returned."""
    openers: dict[str, OpenAdded] = {}
    for added in config.hook.pytest_metaprompt_clients():
        if not isinstance(added, Mapping) or not all(callable(opened) for opened in added.values()):
            return [SetupError("pytest_metaprompt_clients must return a dict of names and functions")]
        openers.update(added)
    try:
        config.add_cleanup(add_providers(openers))
    except SetupError as error:
        return [SetupError(f"pytest_metaprompt_clients: {error}")]
    return []
