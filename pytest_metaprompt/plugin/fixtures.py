"""The fixture of Python tests. Light: it is registered in every session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_metaprompt.plugin.keys import session_of

if TYPE_CHECKING:
    from pytest_metaprompt.plugin.routine_handle import RoutineHandle

FIXTURE = "routine"
MARKER_NAME = "metaprompt"
MARKER = (
    "metaprompt(path, *, target, meta, judge, objective, repeat, min_pass, tools, fix, repair): "
    "the routine that the test's routine fixture asks, and how"
)


@pytest.fixture
def routine(request: pytest.FixtureRequest) -> RoutineHandle:
    """The routine of the test's `metaprompt` marker: `routine.run(input="...")` asks the target and gives its reply."""
    return session_of(request.config).tests.handle_of(request.node)


def uses_routine(item: pytest.Item) -> bool:
    """Whether a test uses our fixture, and not one of the same name that the project has."""
    found = getattr(item, "_fixtureinfo", None)
    if found is None or FIXTURE not in found.names_closure:
        return False
    for definition in reversed(found.name2fixturedefs.get(FIXTURE, ())):
        if definition.func.__module__ == __name__:
            return True
        if FIXTURE not in definition.argnames:
            return False
    return False
