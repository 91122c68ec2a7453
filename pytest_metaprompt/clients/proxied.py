"""POST through a proxy: httpx2, which comes with the OpenAI SDK, knows every kind of proxy and NO_PROXY."""

from __future__ import annotations

from collections.abc import Mapping

import httpx2

from pytest_metaprompt.clients.connection import HttpAnswer, NoAnswerError


class Proxied:
    """As the environment says: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, or the system's own settings."""

    def __init__(self) -> None:
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
        self._client = httpx2.AsyncClient(timeout=None, limits=limits)

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """The answer to a POST.

        Raises:
            NoAnswerError: There is none, or it is broken off.
        """
        try:
            answer = await self._client.post(url, headers=dict(headers), content=body)
        except httpx2.HTTPError as error:
            raise NoAnswerError(str(error) or type(error).__name__) from None
        return HttpAnswer(answer.status_code, dict(answer.headers), answer.content)

    async def close(self) -> None:
        """Closes its connections."""
        await self._client.aclose()
