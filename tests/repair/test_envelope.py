"""The meta model's answer: read strictly, applied exactly."""

from __future__ import annotations

import json

import pytest

from pytest_metaprompt.errors import EnvelopeError
from pytest_metaprompt.repair.envelope import Patch, apply_patch, read_envelope
from pytest_metaprompt.routines import Routine, Turn, parse_routine
from pytest_metaprompt.suites import Json

TEXT = "Be kind. Be short."


def routine() -> Routine:
    return parse_routine(TEXT, name="r.md", form="plain")


def chat() -> Routine:
    return parse_routine("---\n---\nsystem:\nBe kind.\nuser:\n{{q}}\n", name="r.prompty", form="chat")


def envelope(*proposals: Json, verdict: str = "repair", **more: Json) -> str:
    return json.dumps({"verdict": verdict, "reason": "because", "proposals": list(proposals), **more})


def edit(op: str, *, anchor: str | None = None, text: str | None = None, message: int = 0) -> Json:
    return {"hypothesis": "h", "edits": [{"message": message, "op": op, "anchor": anchor, "text": text}]}


def patch_of(proposal: Json) -> Patch:
    return read_envelope(envelope(proposal)).patches[0]


@pytest.mark.parametrize(
    "reply", ["{}", "Sure! {} Hope it helps", "```json\n{}\n```", "{{not json}} {}", '{"broken": \n\n{}']
)
def test_the_first_complete_object_is_read_fenced_or_not(reply: str) -> None:
    found = read_envelope(reply.replace("{}", envelope(edit("append", text="x")), 1))
    assert found.verdict == "repair"
    assert found.patches[0].hypothesis == "h"


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        ("I would rather not.", "the answer holds no complete JSON object"),
        ('{"verdict": "repair", "proposals": [{"hyp', "the answer holds no complete JSON object"),
        (envelope(verdict="maybe"), "verdict must be one of repair, no_change, test_is_wrong, is 'maybe'"),
        (envelope(), "verdict is repair, but proposals is empty"),
        (envelope({"hypothesis": "h"}), "proposals[0] has none of edits, messages and examples"),
        (envelope("x"), "proposals[0] must be an object"),
        (envelope(edit("swap", text="x")), "proposals[0].edits: op must be one of"),
        (envelope(edit("replace", text="x")), "proposals[0].edits.anchor must be a text"),
        (envelope({"messages": [{"message": True, "text": "x"}]}), "proposals[0].message must be a whole number"),
        (envelope({"messages": [{"message": 0, "text": None}]}), "proposals[0].text must be a text"),
    ],
)
def test_what_is_not_the_form_is_said_in_words(reply: str, problem: str) -> None:
    with pytest.raises(EnvelopeError) as caught:
        read_envelope(reply)
    assert problem in str(caught.value)


def test_no_change_needs_no_proposal() -> None:
    found = read_envelope(envelope(verdict="no_change"))
    assert (found.verdict, found.reason, found.patches) == ("no_change", "because", ())


@pytest.mark.parametrize(
    ("proposal", "text"),
    [
        (edit("append", text="Be quick."), "Be kind. Be short.\nBe quick."),
        (edit("append", text=" Be quick."), "Be kind. Be short. Be quick."),
        (edit("replace", anchor="short", text="brief"), "Be kind. Be brief."),
        (edit("delete", anchor=" Be short."), "Be kind."),
        (edit("insert_before", anchor="Be short.", text="Be quick. "), "Be kind. Be quick. Be short."),
        (edit("insert_after", anchor="Be kind.", text=" Be quick."), "Be kind. Be quick. Be short."),
        ({"messages": [{"message": 0, "text": "All new."}]}, "All new."),
    ],
)
def test_edits_do_what_they_say(proposal: Json, text: str) -> None:
    assert apply_patch(routine(), patch_of(proposal)).text == text


@pytest.mark.parametrize(
    ("proposal", "problem"),
    [
        (edit("replace", anchor="Be", text="x"), "the anchor 'Be' stands 2 times in message 0, not once"),
        (edit("replace", anchor="nowhere", text="x"), "the anchor 'nowhere' stands 0 times"),
        (edit("append", text="x", message=1), "there is no message 1; the routine has messages 0 to 0"),
        (edit("append", text="x", message=-1), "there is no message -1"),
        ({"messages": [{"message": 0, "text": "  "}]}, "the system message is empty"),
        ({"examples": [{"user": "a", "assistant": "b"}]}, "no user message that examples could stand before"),
    ],
)
def test_what_does_not_fit_the_routine_is_said_in_words(proposal: Json, problem: str) -> None:
    with pytest.raises(EnvelopeError) as caught:
        apply_patch(routine(), patch_of(proposal))
    assert problem in str(caught.value)


def test_examples_become_turns_and_can_go_with_edits() -> None:
    both: Json = {
        "edits": [{"message": 0, "op": "append", "text": "Be quick."}],
        "examples": [{"user": "hi", "assistant": "hello"}],
    }
    changed = apply_patch(chat(), patch_of(both))
    assert changed.turns == (Turn("hi", "hello"),)
    assert changed.parts[0].text == "Be kind.\nBe quick."


def test_a_text_cannot_open_a_message() -> None:
    with pytest.raises(EnvelopeError, match="would open another message"):
        apply_patch(chat(), patch_of(edit("append", text="\nuser:\nhello")))
