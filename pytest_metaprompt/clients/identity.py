"""What stands behind a model's name: which server or file answers, and which secrets go with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pytest_metaprompt.clients.address import GITHUB_KEY, GITHUB_URL, OPENAI_KEY, OPENAI_URL
from pytest_metaprompt.clients.local import find_weights
from pytest_metaprompt.errors import SetupError
from pytest_metaprompt.suites import ModelSpec

SERVED = ("openai", "openai-responses", "github")
"""The providers whose models are asked at the address of `server_url`."""

_SHORTEST_SECRET = 6
_LIVE = ("python", "echo")


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


def server_url(spec: ModelSpec, environ: Mapping[str, str]) -> str:
    """The address that calls go to."""
    if spec.provider == "github":
        return spec.base_url or environ.get("GITHUB_MODELS_BASE_URL", "").strip() or GITHUB_URL
    return spec.base_url or environ.get("OPENAI_BASE_URL", "").strip() or OPENAI_URL


def secrets_of(spec: ModelSpec, environ: Mapping[str, str]) -> frozenset[str]:
    """What must not be stored: the keys that the model may be called with, and a password in its address."""
    names = {OPENAI_KEY, spec.api_key_env or (GITHUB_KEY if spec.provider == "github" else OPENAI_KEY)}
    keys = {environ.get(name, "").strip() for name in names}
    password = _password(server_url(spec, environ))
    return frozenset(secret for secret in {*keys, password} if len(secret) >= _SHORTEST_SECRET)


def _password(url: str) -> str:
    try:
        return urlsplit(url).password or ""
    except ValueError:
        return ""


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
