"""Conversations as users meet them: the airline's policy and its 36 tools, an agent and a customer who listen."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from pytest_metaprompt.testing import Fault, completion, tool_call
from tests.conftest import Body, Project, append, envelope, system_of

FLIGHTS = Path(__file__).parents[3] / "shared" / "data" / "flight_cancellation"
POLICY = "flightCancellationsPolicy.md"
RULE = "Always call check_ticket_type before any refund."

real_data = pytest.mark.skipif(not FLIGHTS.is_dir(), reason="the real data is not beside the project")

SUITE = """\
routine: flightCancellationsPolicy.md
target: {model: openai:small, base_url: BASE, tools: tools.json}
meta: {model: openai:big, base_url: BASE}
objective: Cancel flights as the policy says.
defaults:
  simulate:
    model: {model: openai:customer, base_url: BASE}
    tools: {verify_identity: {returns: "True"}}
    end_on: [process_full_refund, offer_flight_credit]
cases:
"""


def case(name: str, ticket: str, ends: str) -> str:
    return f"""\
  - id: {name}
    simulate:
      user: "You are {name.title()} Smith, booking ABC123, flight XYZ789. You want to cancel your flight yourself."
      tools: {{check_ticket_type: {{returns: "{ticket}"}}}}
    assert:
      - {{type: tool-call, value: {{name: {ends}}}}}
      - type: tool-call
        value: {{name: verify_identity, arguments: {{full_name: {name.title()} Smith}}}}
        mode: partial
"""


CASES = case("ada", "Refundable", "process_full_refund") + case("bob", "Non-refundable", "offer_flight_credit")


def agent(body: Body) -> Any:
    """An agent that does the next thing: ask, verify, look at the ticket if the policy says so, refund or credit."""
    heard = " ".join(one["content"] for one in body["messages"] if one["role"] == "user")
    name, booking = re.search(r"\w+ Smith", heard), re.search(r"[A-Z]{3}\d{3}", heard)
    if not name or not booking:
        return "Could you give me your name and your booking reference?"
    answered = tool_answers(body)
    if "verify_identity" not in answered:
        details = {"booking_reference": booking[0], "full_name": name[0], "flight_number": "XYZ789"}
        return completion(tool_calls=[tool_call("verify_identity", **details)])
    if RULE in system_of(body) and "check_ticket_type" not in answered:
        return completion(tool_calls=[tool_call("check_ticket_type", booking_reference=booking[0])])
    refundable = answered.get("check_ticket_type", "Refundable") == "Refundable"
    name_of_last = "process_full_refund" if refundable else "offer_flight_credit"
    return completion(tool_calls=[tool_call(name_of_last, booking_reference=booking[0])])


def tool_answers(body: Body) -> dict[str, str]:
    """What each tool answered, by the ids of the calls."""
    calls = {call["id"]: call["function"]["name"] for one in body["messages"] for call in one.get("tool_calls", ())}
    return {calls[one["tool_call_id"]]: one["content"] for one in body["messages"] if one["role"] == "tool"}


def customer(body: Body) -> str:
    """A customer who says what is asked for, out of what the part says and nothing else."""
    part, asked = system_of(body), body["messages"][-1]["content"]
    if "name" in asked:
        name, booking = re.search(r"You are (\w+ Smith)", part), re.search(r"booking (\w+)", part)
        assert name is not None
        assert booking is not None
        return f"I am {name[1]}, and it is {booking[1]}."
    return "I want to cancel my flight."


@pytest.fixture
def airline(project: Project) -> Project:
    for name in (POLICY, "tools.json"):
        shutil.copyfile(FLIGHTS / name, project.path / name)
    project.target = lambda body: customer(body) if body["model"] == "customer" else agent(body)
    project.suite(SUITE + CASES)
    return project


def with_rule(airline: Project) -> Project:
    text = (airline.path / POLICY).read_text(encoding="utf-8")
    airline.write_bytes(POLICY, f"{text}\n{RULE}\n".encode())
    return airline


@real_data
def test_what_the_tools_answer_decides_how_a_conversation_ends(airline: Project) -> None:
    after = with_rule(airline).run()
    assert after.code == 0
    [attempt] = after.report["suites"][0]["cases"][1]["attempts"]
    assert [(one["role"], one["content"]) for one in attempt["transcript"]] == [
        ("user", "I want to cancel my flight."),
        ("assistant", "Could you give me your name and your booking reference?"),
        ("user", "I am Bob Smith, and it is ABC123."),
        ("assistant", ""),
        ("tool", "True"),
        ("assistant", ""),
        ("tool", "Non-refundable"),
        ("assistant", ""),
    ]
    assert attempt["transcript"][-1]["tool_calls"][0]["function"]["name"] == "offer_flight_credit"
    assert [call["name"] for call in attempt["tool_calls"]] == [
        "verify_identity",
        "check_ticket_type",
        "offer_flight_credit",
    ]
    # Both conversations begin with the same words, so the first answer to them is asked for once.
    assert after.report["usage"] == {**after.report["usage"], "calls": 2 * (4 + 2) - 1, "cached": 1}


@real_data
def test_the_page_of_a_failing_conversation_shows_all_of_it(airline: Project) -> None:
    after = airline.run()
    assert after.code == 1
    after.result.stdout.fnmatch_lines(
        [
            "user       I want to cancel my flight.",
            "assistant  Could you give me your name*",
            "user       I am Bob Smith, and it is ABC123.",
            "tool call  verify_identity(*Bob Smith*)",
            "tool       True",
            "tool call  process_full_refund(*)",
            "FAIL tool-call: expected a call of 'offer_flight_credit', got calls of 'verify_identity', 'process_full_*",
        ]
    )


@real_data
def test_a_routine_is_repaired_by_its_conversations(airline: Project) -> None:
    airline.meta = lambda body: envelope(append(RULE, hypothesis="refunds without a look at the ticket"))
    after = airline.run("--metaprompt-fix")
    assert after.code == 0
    assert RULE in after.files[POLICY].decode()
    [repair] = after.report["repairs"]
    assert (repair["status"], repair["fixed"], repair["broken"]) == ("applied", ["bob"], [])
    assert repair["calls"]["customer"] >= 2
    assert f"{repair['calls']['customer']} customer" in after.text
    assert re.search(r"about (\d+) target calls, \1 customer calls and 3 meta calls", after.text)
    shown = json.dumps(airline.asked("big"))
    assert "I am Bob Smith" in shown
    assert "process_full_refund" in shown


@real_data
def test_a_tool_that_the_target_does_not_have_is_a_usage_error(airline: Project) -> None:
    airline.suite((SUITE + CASES).replace("offer_flight_credit]", "offer_flight_credits]"))
    after = airline.run()
    assert after.code == 4
    assert "end_on: the target has no tool 'offer_flight_credits' (did you mean 'offer_flight_credit'?" in after.text
    assert not airline.server.requests


@real_data
def test_a_call_that_the_case_does_not_answer_gets_an_error_and_is_told(airline: Project) -> None:
    with_rule(airline)
    airline.suite(SUITE + CASES.replace("check_ticket_type: {returns", "check_fare_rules: {returns"))
    after = airline.run()
    assert "note       the target called 'check_ticket_type', for which the case has no answer" in after.text
    [attempt] = after.report["suites"][0]["cases"][0]["attempts"]
    assert "'check_ticket_type'" in attempt["notes"][0]
    assert any("is not available" in one["content"] for one in attempt["transcript"] if one["role"] == "tool")


@real_data
def test_every_attempt_is_a_conversation_of_its_own_and_equal_suites_share_theirs(airline: Project) -> None:
    with_rule(airline)
    airline.suite(SUITE + CASES, name="again")
    after = airline.run("--metaprompt-repeat=2", "--metaprompt-concurrency=1")
    assert after.code == 0
    assert (after.report["usage"]["calls"], after.report["usage"]["cached"]) == (2 * 11, 2 * (1 + 12))


@real_data
def test_a_cap_ends_a_conversation_with_an_error(airline: Project) -> None:
    after = airline.run("--metaprompt-max-calls=3")
    after.result.assert_outcomes(errors=2)
    assert "the budget of 3 calls is used up" in after.text


@real_data
@pytest.mark.parametrize("broken", ["customer", "small"])
def test_whoever_breaks_down_makes_it_an_error_that_shows_what_was_said(airline: Project, broken: str) -> None:
    healthy = airline.target

    def target(body: Body) -> Any:
        is_late = sum(one["role"] == "user" for one in body["messages"]) > 1
        return Fault.status(400, "no") if body["model"] == broken and is_late else healthy(body)

    airline.target = target
    after = airline.run()
    after.result.assert_outcomes(errors=2)
    after.result.stdout.fnmatch_lines(["assistant  Could you give me your name*", f"ERROR openai:{broken}: 400*"])


def test_a_python_target_holds_a_scripted_conversation(project: Project) -> None:
    project.write_bytes(
        "shop.py",
        b"""\
def answer(messages):
    orders = [m["content"] for m in messages if m["role"] == "user" and m["content"].startswith("ORD-")]
    return {"text": f"{orders[-1]} is on its way" if orders else "Which order?"}
""",
    )
    project.suite(
        """\
routine: {inline: "Help."}
target: python:shop:answer
cases:
  - id: two-turns
    turns: [{user: Where is my parcel?}, {user: ORD-17}]
    assert:
      - {type: equals, value: ORD-17 is on its way}
      - {type: contains, value: "Which order?"}
      - {type: not-contains, value: "Which order?", scope: turn}
"""
    )
    assert project.run().code == 0


CALLER = b"""\
def answer(messages):
    said = [m["content"] for m in messages if m["role"] == "user"]
    if messages[-1]["role"] == "tool":
        return "I looked it up."
    if len(said) == 1:
        return {"tool_calls": [{"id": "a", "function": {"name": "look_up", "arguments": '{"order": "ORD-17"}'}}]}
    return {"tool_calls": [{"id": "b", "function": {"name": "refund", "arguments": "{}"}}]}
"""


def test_what_is_looked_for_is_looked_for_in_the_whole_transcript(project: Project) -> None:
    project.write_bytes("shop.py", CALLER)
    case = """\
  - id: {name}
    turns: [{{user: Where is ORD-17?}}, {{user: Then refund it.}}]
    simulate: {{tools: {{look_up: {{returns: lost}}}}, end_on: [refund]}}
    assert: [{check}]
"""
    hold = [
        "{type: tool-call, value: {name: look_up, arguments: {order: ORD-17}}}",
        "{type: contains, value: looked it up}",
        "{type: regex, value: 'looked (it|that) up'}",
        "{type: is-valid-function-call}",
        "{type: not-tool-call, value: look_up, scope: turn}",
        "{type: not-contains, value: looked it up, scope: turn}",
        "{type: tool-calls, value: [{name: look_up}, {name: refund}]}",
    ]
    fail = ["{type: not-tool-call, value: look_up}", "{type: not-icontains, value: I LOOKED}"]
    tools = ", ".join(
        f"{{type: function, function: {{name: {name}, parameters: {{type: object}}}}}}"
        for name in ("look_up", "refund")
    )
    head = f"routine: {{inline: Help.}}\ntarget: {{model: python:shop:answer, tools: [{tools}]}}\ncases:\n"
    project.suite(head + "".join(case.format(name=f"c{at}", check=check) for at, check in enumerate(hold + fail)))
    after = project.run()
    assert [one["outcome"] for one in after.report["suites"][0]["cases"]] == ["passed"] * 7 + ["failed"] * 2


def test_a_judge_sees_the_whole_conversation(project: Project) -> None:
    seen: list[str] = []

    def target(body: Body) -> str:
        if body["model"] == "judge":
            seen.append(body["messages"][1]["content"])
            return '{"reason": "asks first", "pass": true, "score": 1}'
        return "Which order?" if len(body["messages"]) == 2 else "It is on its way."

    project.target = target
    project.suite(
        """\
routine: {inline: "Help."}
target: {model: openai:small, base_url: BASE}
judge: {model: openai:judge, base_url: BASE}
cases:
  - id: asks-first
    turns: [{user: Where is my parcel?}, {user: ORD-17}]
    assert: [{type: llm-rubric, value: asks for the order before it says where it is}]
"""
    )
    assert project.run().code == 0
    [asked] = seen
    assert '"content": "Which order?"' in asked
    assert asked.count("It is on its way.") == 1
