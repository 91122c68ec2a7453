"""Lists of chat messages in JSON and YAML: a part is replaced alone, examples come and go without a trace."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_metaprompt.embedded.yaml_scalars import quoted
from pytest_metaprompt.errors import RoutineError
from pytest_metaprompt.routines import Routine, Turn, add_turns, drop_turns, parse_routine, render, replace_part
from pytest_metaprompt.suites import Case, Form, Message

WORDS = st.lists(
    st.sampled_from(["a", "rule", " ", "\n", ": ", " #", "'", '"', "\\", "{{x}}", "é🍌", "- ", "\t", "yes", "\u2028"]),
    min_size=1,
    max_size=8,
).map(lambda pieces: "".join(pieces).strip())
TEXTS = WORDS.filter(bool)
ROLES = ["system", "user", "assistant", "user"]

GITHUB = """\
name: Sums  # a note
messages:
  - role: system
    content: Add the numbers.
  # the question
  - role: user
    content: |
      {{input}}

testData:
  - {input: 1 + 1, expected: 2}
"""


def routine(text: str, form: Form) -> Routine:
    return parse_routine(text, name="chat", form=form)


def in_yaml(texts: list[str], layout: str) -> str:
    messages = [{"role": role, "content": text} for role, text in zip(ROLES, texts, strict=False)]
    match layout:
        case "flow":
            return yaml.safe_dump(messages, default_flow_style=True, width=10_000, allow_unicode=True)
        case "block":
            return yaml.safe_dump(messages, sort_keys=False, allow_unicode=True) + "# the end\n"
        case "under a key":
            return "a: 1\n" + yaml.safe_dump({"messages": messages}, sort_keys=False, indent=4) + "\nz: [x]\n"
        case _:
            items = [f"-   {{role: {one['role']}, content: {quoted(one['content'])}}}" for one in messages]
            return "# head\n" + "\n".join(items) + "\n"


def in_json(texts: list[str], layout: str) -> str:
    messages = [{"role": role, "content": text} for role, text in zip(ROLES, texts, strict=False)]
    value: Any = {"messages": messages, "n": 1} if layout == "under a key" else messages
    return json.dumps(value, indent=2 if layout == "block" else None, ensure_ascii=layout == "flow")


FORMS = st.sampled_from(["messages-json", "messages-yaml"])
LAYOUTS = st.sampled_from(["flow", "block", "under a key", "mixed"])


def written(form: str, texts: list[str], layout: str) -> str:
    return in_json(texts, layout) if form == "messages-json" else in_yaml(texts, layout)


def loaded(text: str) -> Any:
    return yaml.safe_load(text) if not text.lstrip().startswith(('[{"', '{"')) else json.loads(text)


@settings(max_examples=200, deadline=None)
@given(form=FORMS, texts=st.lists(TEXTS, min_size=1, max_size=4), layout=LAYOUTS, new=TEXTS, data=st.data())
def test_replacing_one_part_changes_that_part_alone(
    form: Form, texts: list[str], layout: str, new: str, data: st.DataObject
) -> None:
    old = routine(written(form, texts, layout), form)
    assert [part.text for part in old.parts] == texts
    at = data.draw(st.integers(0, len(texts) - 1))
    part = old.parts[at]
    changed = replace_part(old, at, new)
    assert [one.text for one in changed.parts] == [new if index == at else text for index, text in enumerate(texts)]
    assert changed.text[: part.start] == old.text[: part.start]
    assert changed.text.endswith(old.text[part.end :])
    assert replace_part(old, at, texts[at]).text == old.text
    if old.kind(at) != "examples":
        assert changed.frame == old.frame


@settings(max_examples=150, deadline=None)
@given(
    form=FORMS,
    texts=st.lists(TEXTS, min_size=2, max_size=2),
    layout=LAYOUTS,
    turns=st.lists(st.builds(Turn, TEXTS, TEXTS), min_size=1, max_size=3),
)
def test_examples_come_and_go_and_leave_the_rest_as_it_was(
    form: Form, texts: list[str], layout: str, turns: list[Turn]
) -> None:
    old = routine(written(form, texts, layout), form)
    changed = add_turns(old, turns)
    assert changed.turns == tuple(turns)
    assert changed.frame == old.frame
    assert [one.role for one in changed.parts] == ["system", *["user", "assistant"] * len(turns), "user"]
    assert drop_turns(changed).text == old.text
    without = loaded(changed.text)
    listed = without["messages"] if isinstance(without, dict) else without
    del listed[1:-1]
    assert without == loaded(old.text)


def test_examples_in_a_prompt_file_are_written_as_its_messages_are() -> None:
    changed = add_turns(routine(GITHUB, "messages-yaml"), [Turn("2 + 3", "5"), Turn("one: two", "a\nb")])
    block = """\
  - role: user
    content: 2 + 3
  - role: assistant
    content: "5"
  - role: user
    content: "one: two"
  - role: assistant
    content: |-
      a
      b
"""
    head, tail = GITHUB.split("  - role: user\n")
    assert changed.text == f"{head}{block}  - role: user\n{tail}"


def test_white_space_around_a_text_stays_with_a_new_text() -> None:
    changed = replace_part(routine(GITHUB, "messages-yaml"), 1, "Sum: {{input}}")
    assert changed.text == GITHUB.replace("      {{input}}\n", "      Sum: {{input}}\n")


def test_what_else_a_message_has_reaches_the_model() -> None:
    text = '[{"role": "developer", "content": "S", "name": "boss"}, {"role": "user", "content": "{{x}}"}]'
    case = Case("one", where=None, vars={"x": "hi"})  # type: ignore[arg-type]
    assert render(routine(text, "messages-json"), case) == (
        Message("developer", "S", {"name": "boss"}),
        Message("user", "hi"),
    )


def test_roles_may_be_written_in_any_case() -> None:
    assert routine("- {role: System, content: S}\n", "messages-yaml").parts[0].role == "system"


def test_the_frame_is_all_that_is_no_message() -> None:
    old = routine(GITHUB, "messages-yaml")
    elsewhere = routine(GITHUB.replace("expected: 2", "expected: 3"), "messages-yaml")
    assert elsewhere.frame != old.frame
    assert replace_part(old, 0, "new").frame == old.frame


@pytest.mark.parametrize(
    ("text", "form", "message"),
    [
        ("a: 1\n", "messages-yaml", "chat: there is no messages in it"),
        ("messages: x\n", "messages-yaml", "chat: no list of messages"),
        ("[]", "messages-yaml", "chat: no message"),
        ("[]", "messages-json", "chat: no message"),
        ("- role: user\n  content: 12\n", "messages-yaml", "chat:2: not a message with a role and a text"),
        ("- role: user\n- hello\n", "messages-yaml", "chat:1: not a message"),
        ('[\n{"role": "boss", "content": "x"}]', "messages-json", "chat:2: not a message"),
        ('[{"role": "user", "content": ["x"]}]', "messages-json", "chat:1: not a message"),
        ('{"message": []}', "messages-json", "chat: no list of messages"),
        ("[", "messages-json", "chat: not valid JSON"),
        ('[{"role": "user", "content": ""}]', "messages-json", "chat:1: the user message is empty"),
    ],
)
def test_a_text_that_is_no_list_of_messages_says_where_and_why(text: str, form: Form, message: str) -> None:
    with pytest.raises(RoutineError) as caught:
        routine(text, form)
    assert str(caught.value).startswith(message)
