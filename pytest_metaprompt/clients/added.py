"""Clients that users add: behind a fence, because whatever goes wrong in them is an error of the call."""

from __future__ import annotations

from collections.abc import Callable

from pytest_metaprompt.clients.calls import one_line
from pytest_metaprompt.errors import MetapromptError, ModelCallError, SetupError
from pytest_metaprompt.protocols import Client
from pytest_metaprompt.results import Reply, Request
from pytest_metaprompt.suites import ModelSpec


def open_added(spec: ModelSpec, opened: Callable[[ModelSpec], Client]) -> Client:
    """The user's client for a model.

    Raises:
        SetupError: It cannot be opened.
    """
    try:
        return AddedClient(opened(spec))
    except MetapromptError:
        raise
    except Exception as error:  # the fence around the user's code
        raise SetupError(f"{spec} cannot be opened: {type(error).__name__}: {one_line(str(error))}") from None


class AddedClient:
    """Asks a client that a user wrote."""

    def __init__(self, inner: Client) -> None:
        self._inner = inner

    async def ask(self, request: Request) -> Reply:
        """The inner client's reply.

        Raises:
            ModelCallError: It raised, or returned what is no `Reply`.
            SetupError: As the inner client does.
        """
        try:
            reply: object = await self._inner.ask(request)
        except MetapromptError:
            raise
        except Exception as error:  # the fence around the user's code
            said = one_line(f"{type(error).__name__}: {error}")
            raise ModelCallError(f"{request.model}: {said}") from None
        if not isinstance(reply, Reply):
            raise ModelCallError(f"{request.model}: ask() must return a Reply, not {type(reply).__name__}")
        return reply

    async def close(self) -> None:
        """Closes the inner client, if it can be."""
        close = getattr(self._inner, "close", None)
        if close is not None:
            await close()
