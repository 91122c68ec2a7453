"""Where a model is asked, and with which key; neither the key nor a password ever shows."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit, urlunsplit

from pytest_metaprompt.errors import SetupError
from pytest_metaprompt.suites import ModelSpec

OPENAI_URL = "https://api.openai.com/v1"
OPENAI_KEY = "OPENAI_API_KEY"
GITHUB_URL = "https://models.github.ai/inference"
"""https://docs.github.com/en/rest/models/inference; `GITHUB_MODELS_BASE_URL` names another one."""
GITHUB_KEY = "GITHUB_TOKEN"
_NO_KEY = "unused"  # Servers that need no key ignore it; some insist on the header.


@dataclass(frozen=True, slots=True)
class Address:
    """The server of a model, as the suite and the environment name it."""

    base_url: str
    key: str | None = field(repr=False)
    key_name: str
    headers: Mapping[str, str] = field(repr=False)

    def url(self, path: str) -> str:
        """The URL of a path under the base URL; a query of the base URL stays."""
        url = urlsplit(self.base_url)
        netloc = url.netloc.rpartition("@")[2]
        return urlunsplit((url.scheme, netloc, url.path.rstrip("/") + path, url.query, ""))

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

    def without_key(self, text: str) -> str:
        """The text with the key made unreadable."""
        return text if self.key is None else text.replace(self.key, "***")


def read_address(spec: ModelSpec, environ: Mapping[str, str]) -> Address:
    """Where and with which key the model of a suite is asked.

    Raises:
        SetupError: There is no key, and no base URL of a server that may need none; or the URL is none.
    """
    url = _read_base_url(spec, environ)
    name = spec.api_key_env or OPENAI_KEY
    key = _read_key(spec, name, environ, needed=url is None)
    base_url = url or OPENAI_URL
    return Address(base_url, key, name, _headers(base_url, key, spec, environ))


def _headers(base_url: str, key: str | None, spec: ModelSpec, environ: Mapping[str, str]) -> dict[str, str]:
    # A password in the address takes the place of the key, as in every HTTP client.
    login = unquote(urlsplit(base_url).netloc.rpartition("@")[0])
    headers = {
        "Authorization": f"Basic {b64encode(login.encode()).decode()}" if login else f"Bearer {key or _NO_KEY}",
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
        raise SetupError(f"{spec}: the base URL {url!r} does not start with http:// or https://")
    return url


def _read_key(spec: ModelSpec, name: str, environ: Mapping[str, str], *, needed: bool) -> str | None:
    key = (spec.api_key or environ.get(name, "")).strip()
    if not key and needed:
        raise SetupError(f"{spec} needs a key, and {name} is not set", hint=f"type: export {name}=...")
    if not (key.isascii() and key.isprintable()):
        raise SetupError(f"{name} holds characters that no key has", hint=f"type: export {name}=...")
    return key or None
