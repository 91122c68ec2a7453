"""What stands behind a model's name: which server or file answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pytest_metaprompt.clients.address import SERVED, server_url
from pytest_metaprompt.clients.local import find_weights
from pytest_metaprompt.errors import SetupError
from pytest_metaprompt.suites import ModelSpec

_LIVE = ("python", "echo", "exec", "promptfoo-python")


def runs_live(spec: ModelSpec) -> bool:
    """Whether the model is the user's own code, whose changes must show: its replies are never kept."""
    return spec.provider in _LIVE


def identity(spec: ModelSpec, *, root: Path, environ: Mapping[str, str]) -> str | None:
    """What tells apart models of one name: a server's address, or a weights file's path, size and time of change.

    None where that cannot be known, as for the user's own code: such replies must not outlive the session.
    """
    if spec.provider in SERVED:
        return _without_login(server_url(spec, environ))
    return _weights(spec.name, root=root) if spec.provider == "local" else None


def _without_login(url: str) -> str:
    head, slashes, rest = url.partition("//")
    host, slash, path = rest.partition("/")
    return f"{head}{slashes}{host.rpartition('@')[2]}{slash}{path}".rstrip("/")


def _weights(name: str, *, root: Path) -> str | None:
    try:
        path = find_weights(name, root=root)
        status = path.stat()
    except (SetupError, OSError):
        return None  # The call will say what is missing.
    return f"{path} {status.st_size} {status.st_mtime_ns}"
