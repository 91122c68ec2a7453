"""What a Python test gets for its question."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, SupportsIndex, overload

from pytest_metaprompt.results import Exchange, Reply, ToolCall, Usage

_SHOWN = 200


class WrongReplyError(AssertionError):
    """The reply is not what the test takes for granted: a wrong answer, as a failed assertion is."""


class NoSuchCallError(WrongReplyError, IndexError):
    """The target made fewer tool calls than the test looks at."""


class ToolCalls(tuple[ToolCall, ...]):
    """The tool calls of a reply. To ask for one that was not made is a failed assertion."""

    @overload
    def __getitem__(self, index: SupportsIndex) -> ToolCall: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[ToolCall, ...]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> ToolCall | tuple[ToolCall, ...]:
        """The call at an index, or several."""
        try:
            return super().__getitem__(index)
        except IndexError:
            __tracebackhide__ = True
            names = ", ".join(call.name for call in self) or "none"
            raise NoSuchCallError(f"the reply has no tool call number {index}; it calls: {names}") from None


@dataclass(frozen=True, slots=True)
class TestedReply:
    """A reply as a test looks at it."""

    exchange: Exchange
    reply: Reply

    __test__ = False

    @property
    def text(self) -> str:
        """What the target wrote; empty where it only called tools."""
        return self.reply.text

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON, for the user's own eyes
        """The text read as JSON. A text that is none is a failed assertion."""
        __tracebackhide__ = True
        try:
            return json.loads(self.reply.text)
        except ValueError as error:
            raise WrongReplyError(f"the reply is not JSON ({error}): {self.reply.text[:_SHOWN]!r}") from None

    @property
    def tool_calls(self) -> ToolCalls:
        """The calls, each with `name`, `arguments` (None if they are no JSON object), `raw_arguments` and `id`."""
        return ToolCalls(self.reply.tool_calls)

    @property
    def finish_reason(self) -> str | None:
        """Why the target stopped, in the provider's word."""
        return self.reply.finish_reason

    @property
    def usage(self) -> Usage:
        """`input_tokens` and `output_tokens`."""
        return self.reply.usage

    @property
    def cost_usd(self) -> float | None:
        """Dollars; None where the price is not known."""
        return self.reply.cost_usd

    @property
    def latency_s(self) -> float:
        """Seconds that the call took, when it was made."""
        return self.reply.latency_s

    @property
    def cached(self) -> bool:
        """Whether the reply was known already, so that no model was asked."""
        return self.reply.cached

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages that the target saw."""
        return [{"role": one.role, "content": one.content, **one.extra} for one in self.exchange.messages]

    def __repr__(self) -> str:
        """Short, for pytest's explanations."""
        return f"<reply {self.reply.text!r}>"
