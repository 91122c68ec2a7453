"""Messages between the controller of pytest-xdist and its workers, which may have the project in other folders: paths
below the root directory are told from there. Light: a worker with suites needs it first of all.

They are pickles, and whoever unpickles runs what the sender likes. That adds no trust to pytest-xdist's own: a worker
runs the code of the project because the controller tells it to, and pytest-xdist itself imports and calls, in the
controller, whatever class a worker names as that of a warning (`xdist.workermanage.unserialize_warning_message`).
"""

from __future__ import annotations

import copyreg
import io
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

PROTOCOL = 5
"""Known to every Python that is supported, whichever is newer of the two."""


class Packing:
    """Pickles and unpickles at the end that has its root directory at `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._table: Mapping[type, Callable[[Any], Any]] = {**copyreg.dispatch_table, type(root): self._told}

    def pack(self, value: object) -> bytes:
        """The value as bytes."""
        packed = io.BytesIO()
        pickler = pickle.Pickler(packed, protocol=PROTOCOL)
        pickler.dispatch_table = self._table
        pickler.dump(value)
        return packed.getvalue()

    def unpack(self, data: bytes) -> object:
        """The value that the other end packed."""
        return _Unpickler(data, self._root).load()

    def _told(self, path: Path) -> tuple[Callable[[str], Path], tuple[str]]:
        if path.is_relative_to(self._root):
            return below_root, (path.relative_to(self._root).as_posix(),)
        return elsewhere, (str(path),)


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes, root: Path) -> None:
        super().__init__(io.BytesIO(data))
        self._below_root = root.joinpath

    def find_class(self, module: str, name: str) -> object:
        if (module, name) == (__name__, below_root.__name__):
            return self._below_root
        return super().find_class(module, name)


def below_root(text: str) -> Path:
    """Stands in a pickle for a path below the root directory, which only the end that unpickles knows."""
    return Path(text)


def elsewhere(text: str) -> Path:
    """Any other path, which is the same for both ends."""
    return Path(text)
