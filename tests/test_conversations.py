"""Conversations without pytest around them: who is asked what, and what ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from pytest_metaprompt.conversations import END, Parties, check_simulation, converse
from pytest_metaprompt.errors import BudgetExhaustedError, MetapromptError, ModelCallError, Place
from pytest_metaprompt.results import Attempt, Reply, Request, ToolCall, Usage
from pytest_metaprompt.suites import Case, Message, ModelSpec, Simulation
from pytest_metaprompt.testing import ScriptedClient

TARGET, CUSTOMER = ModelSpec("openai", "target"), ModelSpec("openai", "customer")
HERE = Place("s.metaprompt.yaml", 4)
SYSTEM = Message("system", "You are an agent.")

Answer = Callable[[Request], Any]


def calls(*names: str, text: str = "", identity: str | None = None) -> Reply:
    return Reply(
        text, tuple(ToolCall(name, {}, "{}", identity) for name in names), "tool_calls", Usage(1, 2), 0.5, 0.25
    )


def hold(simulation: Simulation, target: Answer, customer: Answer | None = None, *, opening: str | None = None) -> Any:
    asked, played = ScriptedClient(target), ScriptedClient(customer or (lambda request: AssertionError("not scripted")))
    opened = (SYSTEM,) if opening is None else (SYSTEM, Message("user", opening))
    attempt = Attempt(Case("case", HERE, simulation=simulation), opened, sample=3)
    held = asyncio.run(converse(attempt, simulation, Parties(TARGET, asked, played)))
    return held, asked.requests, played.requests


def said(attempt: Attempt) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in attempt.transcript]


def test_scripted_turns_are_answered_one_after_the_other() -> None:
    held, asked, _ = hold(Simulation(turns=("one", "two")), lambda request: f"to {request.messages[-1].content}")
    assert said(held) == [("user", "one"), ("assistant", "to one"), ("user", "two"), ("assistant", "to two")]
    assert [len(request.messages) for request in asked] == [2, 4]
    assert {request.sample for request in asked} == {3}
    assert held.reply.text == "to two"
    assert held.notes == ()


def test_an_opening_message_is_answered_before_the_first_turn() -> None:
    held, _, _ = hold(Simulation(turns=("two",)), lambda request: request.messages[-1].content, opening="one")
    assert said(held) == [("assistant", "one"), ("user", "two"), ("assistant", "two")]


def test_tools_answer_from_the_case_under_the_id_of_their_call() -> None:
    def target(request: Request) -> Any:
        return "done" if request.messages[-1].role == "tool" else calls("look", "other")

    held, asked, _ = hold(Simulation(turns=("go",), tools={"look": {"seat": 7}}), target)
    call, look, other = asked[1].messages[-3:]
    assert [entry["id"] for entry in call.extra["tool_calls"]] == ["call_0", "call_1"]
    assert (look.role, look.content, look.extra) == ("tool", '{"seat": 7}', {"tool_call_id": "call_0"})
    assert other.content == '{"error": "the tool \'other\' is not available"}'
    assert held.notes == ("the target called 'other', for which the case has no answer (it has: look)",)
    assert [call.name for call in held.calls] == [call.name for call in held.reply.tool_calls] == ["look", "other"]


def test_the_call_that_ends_it_is_not_answered() -> None:
    held, asked, _ = hold(Simulation(turns=("go", "on"), end_on=("refund",)), lambda request: calls("refund"))
    assert len(asked) == 1
    assert [role for role, _ in said(held)] == ["user", "assistant"]
    assert held.reply.tool_calls[0].name == "refund"


def test_the_reply_is_the_last_turn_and_counts_the_whole_conversation() -> None:
    answers = iter([calls("a"), Reply("x", usage=Usage(1, 2), cost_usd=0.25), calls("b", identity="7"), calls("c")])
    simulation = Simulation(turns=("one", "two"), tools={"a": 1, "b": 2}, end_on=("c",))
    held, _, _ = hold(simulation, lambda request: next(answers))
    assert [call.name for call in held.reply.tool_calls] == ["b", "c"]
    assert [call.name for call in held.calls] == ["a", "b", "c"]
    assert (held.reply.usage, held.reply.latency_s, held.reply.cost_usd) == (Usage(4, 8), 1.5, 1.0)


def test_a_target_that_calls_tools_for_ever_is_stopped() -> None:
    held, asked, _ = hold(Simulation(turns=("go",), tools={"look": 1}, max_tool_calls=5), lambda request: calls("look"))
    assert len(asked) == 5
    assert held.notes == ("ended after 5 tool calls, the most that are allowed",)


def test_the_played_customer_hears_texts_only_and_from_the_other_side() -> None:
    def target(request: Request) -> Any:
        last = request.messages[-1]
        return "Found it." if last.role == "tool" else calls("look", text="One moment.")

    lines = iter(["My seat?", "Thanks.", END])
    simulation = Simulation(persona="Ada wants her seat.", model=CUSTOMER, tools={"look": 7})
    held, _, played = hold(simulation, target, lambda request: next(lines))
    assert "Ada wants her seat." in played[0].messages[0].content
    assert [message.role for message in played[1].messages] == ["system", "user", "assistant", "user"]
    assert [message.content for message in played[1].messages[2:]] == ["My seat?", "One moment.\n\nFound it."]
    assert said(held)[-1] == ("assistant", "Found it.")
    assert held.notes == ()


def test_turns_run_out() -> None:
    simulation = Simulation(persona="p", model=CUSTOMER, max_turns=3)
    held, asked, played = hold(simulation, lambda request: "and?", lambda request: "more")
    assert (len(asked), len(played)) == (3, 3)
    assert held.notes == ("the conversation was not over after 3 turns",)


@pytest.mark.parametrize(("line", "message"), [(" ", "said nothing"), (END, "ended the conversation before it began")])
def test_a_customer_who_says_nothing_at_all_is_an_error(line: str, message: str) -> None:
    held, _, _ = hold(Simulation(persona="p", model=CUSTOMER), lambda request: "hello?", lambda request: line)
    assert message in held.error
    assert held.reply is None


def test_what_was_said_before_a_breakdown_is_kept() -> None:
    answers = iter(["one", ModelCallError("openai:target: 503")])
    held, _, _ = hold(Simulation(turns=("a", "b")), lambda request: next(answers))
    assert (held.error, held.reply) == ("openai:target: 503", None)
    assert said(held) == [("user", "a"), ("assistant", "one"), ("user", "b")]


def test_a_spent_budget_is_not_swallowed() -> None:
    with pytest.raises(BudgetExhaustedError):
        hold(Simulation(turns=("a",)), lambda request: BudgetExhaustedError("no calls are left"))


def test_the_customer_knows_what_the_case_says_was_said_before() -> None:
    before = (Message("user", "My seat?"), Message("assistant", "Your name?"))
    simulation = Simulation(persona="p", model=CUSTOMER, max_turns=1)
    played = ScriptedClient(lambda request: "Ada")
    attempt = Attempt(Case("case", HERE, messages=before, simulation=simulation), (SYSTEM, *before))
    held = asyncio.run(converse(attempt, simulation, Parties(TARGET, ScriptedClient(lambda request: "7A"), played)))
    assert [message.content for message in played.requests[0].messages[2:]] == ["My seat?", "Your name?"]
    assert said(held) == [("user", "Ada"), ("assistant", "7A")]


def test_only_the_whole_message_ends_a_conversation() -> None:
    lines = iter([f"Do you know {END}?", END])
    held, _, _ = hold(Simulation(persona="p", model=CUSTOMER), lambda request: "no", lambda request: next(lines))
    assert said(held) == [("user", f"Do you know {END}?"), ("assistant", "no")]


TOOLS = [{"type": "function", "function": {"name": name}} for name in ("check_ticket", "refund")]


@pytest.mark.parametrize(
    ("simulation", "message"),
    [
        (Simulation(turns=("a",), tools={"check_tikcet": 1}), "tools: .*'check_tikcet' .*did you mean 'check_ticket'"),
        (Simulation(turns=("a",), end_on=("refnd",)), "end_on: .*'refnd' .*did you mean 'refund'"),
        (Simulation(persona="p"), "no model plays the customer"),
    ],
)
def test_what_cannot_work_is_refused(simulation: Simulation, message: str) -> None:
    with pytest.raises(MetapromptError, match=message):
        check_simulation(simulation, ModelSpec("openai", "m", {"tools": TOOLS}))


def test_names_of_tools_are_not_checked_against_a_target_that_names_none() -> None:
    check_simulation(Simulation(turns=("a",), end_on=("anything",)), ModelSpec("python", "app:answer"))
