"""Importing this spares our modules pytest's assertion rewriting.

pytest rewrites the asserts of every module of a plugin's package, so that they explain themselves. Ours have none that
a user should see, and to parse and compile them all makes a run of 100 cases half as long again: in every run where no
bytecode may be written (`PYTHONDONTWRITEBYTECODE`, which many containers set), in the first run elsewhere.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

_OURS = f"{__name__.partition('.')[0]}."


class PlainFinder(MetaPathFinder):
    """Finds our modules as Python does without pytest, when it is asked before pytest's own finder."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Where one of our modules is; None for all others."""
        return PathFinder.find_spec(fullname, path, target) if fullname.startswith(_OURS) else None


sys.meta_path.insert(0, PlainFinder())
