"""Structured output where the server knows it, plain text where it says that it does not."""

from __future__ import annotations

from dataclasses import replace

from pytest_metaprompt.errors import ModelCallError
from pytest_metaprompt.protocols import Client
from pytest_metaprompt.results import Reply, Request

_FORMAT = "response_format"


class StructuredClient:
    """Leaves out the `response_format` for a model whose server refused it once, and remembers that."""

    def __init__(self, inner: Client) -> None:
        self._inner = inner
        self._refused: set[str] = set()

    async def ask(self, request: Request) -> Reply:
        """The inner client's reply, to the question with its format or without.

        Raises:
            ModelCallError: As the inner client does, for any other reason.
            SetupError: As the inner client does.
        """
        model = repr(request.model)
        if model in self._refused:
            return await self._inner.ask(_plain(request))
        try:
            return await self._inner.ask(request)
        except ModelCallError as error:
            if _FORMAT not in error.message and "json_schema" not in error.message:
                raise
        self._refused.add(model)
        return await self._inner.ask(_plain(request))


def _plain(request: Request) -> Request:
    return replace(request, params={key: value for key, value in request.params.items() if key != _FORMAT})
