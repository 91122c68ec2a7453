"""Where a model is asked, and with which key; neither the key nor a password ever shows."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit, urlunsplit

from pytest_metaprompt.errors import SetupError
from pytest_metaprompt.suites import ModelSpec

OPENAI_URL = "https://api.openai.com/v1"
OPENAI_KEY = "OPENAI_API_KEY"

GITHUB_URL = "https://models.github.ai/inference"
"""https://docs.github.com/en/rest/models/inference; `GITHUB_MODELS_BASE_URL` names another one."""

GITHUB_KEY = "GITHUB_TOKEN"

SERVED = frozenset({"openai", "openai-responses", "github"})
"""The providers whose models are asked over HTTP."""

_NO_KEY = "unused"  # Servers that need no key ignore it; some insist on the header.

_SHORTEST_SECRET = 6
_IN_QUERY = re.compile(r"key|token|secret|sig|auth|pass", re.IGNORECASE)
_PUBLIC = frozenset(
    {_NO_KEY, "ollama", "lm-studio", "not-needed", "no-key-required", "sk-no-key-required", "placeholder", "ignored"}
)
"""What the manuals of local servers say to set as a key: no secret, and a word that replies may hold."""


@dataclass(frozen=True, slots=True)
class Address:
    """The server of a model, as the suite and the environment name it."""

    base_url: str
    key: str | None = field(repr=False)
    key_name: str
    headers: Mapping[str, str] = field(repr=False)
    secrets: frozenset[str] = field(repr=False)

    def url(self, path: str, *, query: str = "") -> str:
        """The URL of a path under the base URL; a query of the base URL stays, beside another one."""
        url = urlsplit(self.base_url)
        netloc = url.netloc.rpartition("@")[2]
        asked = "&".join(part for part in (url.query, query) if part)
        return urlunsplit((url.scheme, netloc, url.path.rstrip("/") + path, asked, ""))

    @property
    def shown(self) -> str:
        """The base URL without what it may hold in secrets."""
        url = urlsplit(self.base_url)
        return f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}"

    def about_key(self) -> str:
        """What to say when the server refuses the key."""
        if self.key is None:
            return f"the server wants a key; type: export {self.key_name}=..."
        return f"the server did not accept the key in {self.key_name}"

    def without_secrets(self, text: str) -> str:
        """The text with the key, and what is secret in the address, made unreadable."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text


def server_url(spec: ModelSpec, environ: Mapping[str, str]) -> str:
    """The address that calls to a served model go to."""
    variable, usual = ("OPENAI_BASE_URL", OPENAI_URL)
    if spec.provider == "github":
        variable, usual = ("GITHUB_MODELS_BASE_URL", GITHUB_URL)
    return spec.base_url or environ.get(variable, "").strip() or usual


def key_name(spec: ModelSpec) -> str:
    """The variable that holds the key of a served model."""
    return spec.api_key_env or (GITHUB_KEY if spec.provider == "github" else OPENAI_KEY)


def secrets_of(spec: ModelSpec, environ: Mapping[str, str]) -> frozenset[str]:
    """What must be neither shown nor stored: the keys that the model may be called with, and what its address holds of
    passwords and keys, in every form in which a server may repeat it."""
    keys = {spec.api_key or "", *(environ.get(name, "").strip() for name in (OPENAI_KEY, key_name(spec)))}
    found = {*(keys - _PUBLIC), *_secrets_in(server_url(spec, environ))}
    return frozenset(secret for secret in found if len(secret) >= _SHORTEST_SECRET)


def _secrets_in(url: str) -> Iterator[str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return
    login = parts.netloc.rpartition("@")[0]
    user, colon, password = login.partition(":")
    secret = password if colon else user  # Without a password, a user is a key.
    yield from (secret, unquote(secret), _basic(login) if login else "")
    for pair in parts.query.split("&"):
        name, _, value = pair.partition("=")
        if _IN_QUERY.search(name):
            yield from (value, unquote(value))


def _basic(login: str) -> str:
    """A login as the header `Authorization` has it."""
    return b64encode(unquote(login).encode()).decode()


def read_address(spec: ModelSpec, environ: Mapping[str, str]) -> Address:
    """Where and with which key the model of a suite is asked.

    Raises:
        SetupError: There is no key, and no base URL of a server that may need none; or the URL is none.
    """
    url = _read_base_url(spec, environ)
    name = key_name(spec)
    key = _read_key(spec, name, environ, needed=url is None)
    base_url = url or OPENAI_URL
    return Address(base_url, key, name, _headers(base_url, key, spec, environ), secrets_of(spec, environ))


def _headers(base_url: str, key: str | None, spec: ModelSpec, environ: Mapping[str, str]) -> dict[str, str]:
    # A password in the address takes the place of the key, as in every HTTP client.
    login = urlsplit(base_url).netloc.rpartition("@")[0]
    headers = {
        "Authorization": f"Basic {_basic(login)}" if login else f"Bearer {key or _NO_KEY}",
        "Content-Type": "application/json",
        "Accept": "application/json",
        "User-Agent": "pytest-metaprompt",
    }
    if spec.api_key_env is None:  # The names belong to the account of OPENAI_API_KEY, and are no one else's concern.
        for name, variable in (("OpenAI-Organization", "OPENAI_ORG_ID"), ("OpenAI-Project", "OPENAI_PROJECT_ID")):
            if value := environ.get(variable, "").strip():
                headers[name] = value
    return headers


def _read_base_url(spec: ModelSpec, environ: Mapping[str, str]) -> str | None:
    url = spec.base_url or environ.get("OPENAI_BASE_URL", "").strip() or None
    if url is not None and not url.startswith(("http://", "https://")):
        shown = url.rpartition("@")[2].partition("?")[0]
        raise SetupError(f"{spec}: the base URL {shown!r} does not start with http:// or https://")
    return url


def _read_key(spec: ModelSpec, name: str, environ: Mapping[str, str], *, needed: bool) -> str | None:
    key = (spec.api_key or environ.get(name, "")).strip()
    if not key and needed:
        raise SetupError(f"{spec} needs a key, and {name} is not set", hint=f"type: export {name}=...")
    if not (key.isascii() and key.isprintable()):
        raise SetupError(f"{name} holds characters that no key has", hint=f"type: export {name}=...")
    return key or None
