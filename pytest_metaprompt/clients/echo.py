"""`echo:`, the model that repeats: for trying out a suite without a model."""

from __future__ import annotations

from pytest_metaprompt.results import Reply, Request


class EchoClient:
    """Replies with the content of the last user message, or with nothing where there is none."""

    async def ask(self, request: Request) -> Reply:
        """The last user message, unchanged."""
        said = [message.content for message in request.messages if message.role == "user"]
        return Reply(said[-1] if said else "", finish_reason="stop", cost_usd=0.0)
