"""What a Python test gets for its question."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol, SupportsIndex, overload

from pytest_metaprompt.errors import MetapromptError
from pytest_metaprompt.results import Exchange, Reply, ToolCall, Usage, Verdict
from pytest_metaprompt.scorers import check
from pytest_metaprompt.suites import Assertion, Json

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


class Checking(Protocol):
    """Holds assertions against replies."""

    def check(self, exchange: Exchange, assertion: Assertion) -> Future[Verdict]:
        """Begin to do so."""


@dataclass(frozen=True, slots=True)
class TestedReply:
    """A reply as a test looks at it."""

    exchange: Exchange
    reply: Reply
    checking: Checking

    __test__ = False

    def check(self, kind: str, value: Json = None, **settings: Json) -> Verdict:
        """Hold an assertion, as suite files have them, against the reply: `reply.check("icontains", "30 days")`.

        Raises:
            WrongReplyError: It does not hold, which fails the test.
            MetapromptError: It cannot work, or the judge gave no verdict, which is an error.
        """
        __tracebackhide__ = True
        try:
            verdict = self.checking.check(self.exchange, _assertion(kind, value, settings)).result()
        except MetapromptError as error:
            raise error.with_traceback(None) from None
        return _held(kind, verdict)

    async def acheck(self, kind: str, value: Json = None, **settings: Json) -> Verdict:
        """`check` for async tests."""
        __tracebackhide__ = True
        try:
            verdict = await asyncio.wrap_future(self.checking.check(self.exchange, _assertion(kind, value, settings)))
        except MetapromptError as error:
            raise error.with_traceback(None) from None
        return _held(kind, verdict)

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
        except (ValueError, RecursionError) as error:
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
        return [one.in_chat for one in self.exchange.messages]

    def __repr__(self) -> str:
        """Short, for pytest's explanations."""
        return f"<reply {self.reply.text!r}>"


def _assertion(written: str, value: Json, settings: Mapping[str, Json]) -> Assertion:
    """The assertion that a test writes.

    Raises:
        MetapromptError: There is none of this type, or its value or a setting is not what it needs.
    """
    threshold = settings.get("threshold")
    if threshold is not None and (isinstance(threshold, bool) or not isinstance(threshold, int | float)):
        raise MetapromptError(f"{written}: threshold must be a number, not {threshold!r}")
    own = {key: given for key, given in settings.items() if key != "threshold"}
    kind = written.removeprefix("not-")
    assertion = Assertion(kind, value, negated=kind != written, threshold=threshold, settings=own)
    check(assertion)
    return assertion


def _held(kind: str, verdict: Verdict) -> Verdict:
    __tracebackhide__ = True
    if not verdict.passed:
        raise WrongReplyError(f"{kind}: {verdict.reason}")
    return verdict
