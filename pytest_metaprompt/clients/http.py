"""POST over HTTP: directly over pooled connections, or through the proxy that the environment names."""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol
from urllib.parse import SplitResult, urljoin, urlsplit

from pytest_metaprompt.clients.connection import Connection, HttpAnswer, NoAnswerError

MAX_REDIRECTS = 3

_Origin = tuple[str, str, int]


class Http(Protocol):
    """Sends POSTs and returns whole answers, whatever their status. Raises `NoAnswerError` where there is none."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """The answer to a POST."""

    async def close(self) -> None:
        """Lets go of connections."""


def open_http() -> Http:
    """A way to POST from the running event loop, and from no other."""
    from urllib.request import getproxies

    proxies = getproxies()
    if any(proxies.get(scheme) for scheme in ("http", "https", "all")):
        from pytest_metaprompt.clients.proxied import Proxied

        return Proxied()
    return Direct()


async def post(http: Http, url: str, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
    """The answer at the end of the redirects that keep the method (307 and 308); another host never gets the key.

    Raises:
        NoAnswerError: There is no whole answer, or the redirects do not end.
    """
    for _ in range(MAX_REDIRECTS + 1):
        answer = await http.post(url, headers, body)
        if answer.status not in (307, 308) or "location" not in answer.headers:
            return answer
        target = urljoin(url, answer.headers["location"])
        if not target.startswith(("http://", "https://")):
            raise NoAnswerError("the server redirects to what is no web address")
        if _origin(urlsplit(target)) != _origin(urlsplit(url)):
            headers = {name: value for name, value in headers.items() if name != "Authorization"}
        url = target
    raise NoAnswerError(f"more than {MAX_REDIRECTS} redirects")


class Direct:
    """Connections of our own, each used again and again; as many as there are requests at once."""

    def __init__(self) -> None:
        self._idle: dict[_Origin, list[Connection]] = {}

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """The answer to a POST.

        Raises:
            NoAnswerError: There is none, or it is broken off.
            ssl.SSLCertVerificationError: The server's certificate is not trusted.
        """
        parts = urlsplit(url)
        origin = _origin(parts)
        idle = self._idle.setdefault(origin, [])
        while idle and not idle[-1].reusable:
            idle.pop()
        connection = idle.pop() if idle else await _connect(origin)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        answer = await connection.post(target, {"Host": _host(parts), **headers}, body)
        if connection.reusable:
            idle.append(connection)
        return answer

    async def close(self) -> None:
        """Closes the connections that nobody uses."""
        for idle in self._idle.values():
            while idle:
                idle.pop().close()
        await asyncio.sleep(0)  # The loop lets go of their sockets.


async def _connect(origin: _Origin) -> Connection:
    scheme, host, port = origin
    try:
        _, connection = await asyncio.get_running_loop().create_connection(
            Connection, host, port, ssl=_trust() if scheme == "https" else None, happy_eyeballs_delay=0.25
        )
    except ssl.SSLCertVerificationError:
        raise
    except OSError as error:
        raise NoAnswerError(str(error)) from None
    return connection


@functools.cache
def _trust() -> ssl.SSLContext:
    """The certificates of the system, or those of SSL_CERT_FILE or SSL_CERT_DIR, as the OpenAI SDK trusts them."""
    from httpx2 import create_ssl_context

    context = create_ssl_context()
    with suppress(NotImplementedError):
        context.set_alpn_protocols(["http/1.1"])
    return context


def _origin(parts: SplitResult) -> _Origin:
    return parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _host(parts: SplitResult) -> str:
    return parts.netloc.rpartition("@")[2]
