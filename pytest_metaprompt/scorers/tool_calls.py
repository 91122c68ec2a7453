"""`tool-calls`: the reply makes these tool calls, no more and no fewer, in this order or in any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_metaprompt.protocols import Scorer
from pytest_metaprompt.results import Attempt, ToolCall, Verdict
from pytest_metaprompt.scorers.excerpts import call_names, few
from pytest_metaprompt.scorers.expected_calls import ExpectedCall, read_comparison, read_expected_call
from pytest_metaprompt.scorers.pairing import pair
from pytest_metaprompt.scorers.tool_call import RIGHT_NAME
from pytest_metaprompt.scorers.values import kind_of, problem, read_flag
from pytest_metaprompt.scorers.verdicts import holds, measured, reply_of
from pytest_metaprompt.suites import Assertion


@dataclass(frozen=True, slots=True)
class CallsTools:
    """Holds if the reply's calls are the expected ones. The score is the share of calls that are right.

    A call of the right tool with wrong arguments counts half. No expected calls means that none may be made.
    """

    expected: tuple[ExpectedCall, ...]
    any_order: bool

    async def score(self, attempt: Attempt) -> Verdict:
        """Sets the reply's calls beside the expected ones."""
        reply = reply_of(attempt)
        partner = self._partners(reply.tool_calls)
        points, complaints = 0.0, []
        for place, wanted in enumerate(self.expected):
            found = [reply.tool_calls[partner[place]]] if place in partner else []
            points += _points(wanted, found)
            complaints += _complaints(wanted, found)
        spare = [call.name for place, call in enumerate(reply.tool_calls) if place not in partner.values()]
        complaints += [f"a call of {name!r} is not expected" for name in spare]
        if complaints:
            most = max(len(self.expected), len(reply.tool_calls))
            return measured(points / most, passed=False, reason=few(complaints))
        return holds(f"the reply makes {call_names(reply)}" if reply.tool_calls else "the reply makes no call")

    def _partners(self, calls: Sequence[ToolCall]) -> dict[int, int]:
        """Which call of the reply stands beside which expected one: whole matches first, then those by name."""
        if not self.any_order:
            return {place: place for place in range(min(len(self.expected), len(calls)))}
        partner = pair([_fitting(wanted, calls, whole=True) for wanted in self.expected])
        taken = set(partner.values())
        for place, wanted in enumerate(self.expected):
            free = [] if place in partner else [at for at in _fitting(wanted, calls, whole=False) if at not in taken]
            if free:
                partner[place] = free[0]
                taken.add(free[0])
        return partner


def open_tool_calls(assertion: Assertion) -> Scorer:
    """The scorer of a `tool-calls`. `ignore_order` is about the calls, and about lists in their arguments.

    Raises:
        MetapromptError: The value is not a list of expected calls.
    """
    value = assertion.value
    if isinstance(value, str) or not isinstance(value, Sequence):
        what = "it is missing" if value is None else f"not {kind_of(value)}"
        hint = "write  value: [{name: ..., arguments: {...}}]"
        raise problem(assertion, f"value must be a list of calls, {what}", hint=hint)
    comparison = read_comparison(assertion)
    expected = tuple(read_expected_call(assertion, item, comparison) for item in value)
    return CallsTools(expected, read_flag(assertion, "ignore_order"))


def _fitting(wanted: ExpectedCall, calls: Sequence[ToolCall], *, whole: bool) -> list[int]:
    return [
        place
        for place, call in enumerate(calls)
        if call.name == wanted.name and not (whole and wanted.complaints(call))
    ]


def _points(wanted: ExpectedCall, found: Sequence[ToolCall]) -> float:
    if not found or found[0].name != wanted.name:
        return 0.0
    return RIGHT_NAME if wanted.complaints(found[0]) else 1.0


def _complaints(wanted: ExpectedCall, found: Sequence[ToolCall]) -> list[str]:
    if not found:
        return [f"a call of {wanted.name!r} is missing"]
    if found[0].name != wanted.name:
        return [f"expected a call of {wanted.name!r}, got one of {found[0].name!r}"]
    return [f"{wanted.name}: {complaint}" for complaint in wanted.complaints(found[0])]
