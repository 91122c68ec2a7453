"""Structured output where the server knows it, plain text where it does not."""

from __future__ import annotations

from dataclasses import replace

from pytest_metaprompt.errors import ModelCallError, NotRecordedError
from pytest_metaprompt.protocols import Client
from pytest_metaprompt.results import Reply, Request

_FORMAT = "response_format"
_REFUSALS = (400, 422)


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
            if not _may_be_refused(request, error):
                raise
            refusal = error
        reply = await self._ask_plainly(request, refusal)
        self._refused.add(model)  # Only now: another fault would have come again.
        return reply

    async def _ask_plainly(self, request: Request, refusal: ModelCallError) -> Reply:
        try:
            return await self._inner.ask(_plain(request))
        except NotRecordedError:
            raise refusal from None


def _may_be_refused(request: Request, error: ModelCallError) -> bool:
    """Whether the error may come from the format. Servers refuse it in words of their own, and a cassette holds no
    refusals."""
    if _FORMAT not in request.params:
        return False
    says_so = _FORMAT in error.message or "json_schema" in error.message
    return says_so or error.status in _REFUSALS or isinstance(error, NotRecordedError)


def _plain(request: Request) -> Request:
    return replace(request, params={key: value for key, value in request.params.items() if key != _FORMAT})
