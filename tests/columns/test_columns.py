"""From vars to a prompt, and from a prompt to messages: promptfoo's order of things."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_metaprompt.columns.chat import chat_messages, shaped
from pytest_metaprompt.columns.checks import rendered_check
from pytest_metaprompt.columns.rendering import Situation, render_column
from pytest_metaprompt.columns.variables import load_variables, resolve_variables
from pytest_metaprompt.errors import MetapromptError, Place, RoutineError
from pytest_metaprompt.results import Reply, ToolCall
from pytest_metaprompt.routines import parse_routine
from pytest_metaprompt.suites import Assertion, Case, Column, ColumnTest, Form, ModelSpec


def rendered(text: str, values: dict[str, Any], *, folder: Path = Path(), form: Form = "user", **test: Any) -> str:
    case = Case("c", Place("x"), column_test=ColumnTest(**test))
    situation = Situation(Column(folder, "p", "echo", env={"MODE": "dev"}), case, ModelSpec("echo", ""))
    return render_column(parse_routine(text, name="p", form=form), situation, values).prompt


def test_vars_in_vars_are_put_in_before_the_prompt_is_rendered() -> None:
    assert rendered("{{ a }} END", {"a": "{{ b }}!", "b": "{{c}}", "c": 2.0}) == "2! END"
    assert rendered("{{ a }}", {"a": "{{ b | upper }} {% if yes %}y{% endif %}", "b": "x", "yes": True}) == "X y"
    assert rendered("{{ a }}", {"a": "{{ nope }} {{ b }}", "b": "x"}) == "{{ nope }} {{ b }}"
    assert rendered("{{ a }}|{{ nope }}|{{ env.MODE }}", {"a": "1\n"}) == "1||dev"


def test_a_dollar_in_a_value_means_nothing() -> None:
    assert resolve_variables({"a": "cost {{b}}", "b": "$& $$ $1"})["a"] == "cost $& $$ $1"


def test_a_prompt_that_is_json_stays_json_whatever_the_values() -> None:
    text = '[{"role": "user", "content": "say {{ v }}", "n": 2.0}]'
    value = 'a "quote"\nand \\ more'
    assert json.loads(rendered(text, {"v": value})) == [{"role": "user", "content": f"say {value}", "n": 2}]
    assert rendered(text, {"v": value}) == rendered(text, {"v": value}, form="messages-json")
    yaml = "- role: user\n  content: say {{ v }}\n  n: 2\n"
    assert rendered(yaml, {"v": value}, form="messages-yaml") == rendered(text, {"v": value})


def test_prefix_and_suffix_are_part_of_the_template() -> None:
    assert rendered("b", {"v": 1}, prefix="{{ v }}:", suffix=":{{ v }}") == "1:b:1"


def test_vars_from_files_are_read_by_their_kind(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("\n  two\nlines  \n")
    (tmp_path / "d.yaml").write_text("k: Yes\nl: [1.0, x]\n")
    (tmp_path / "p.png").write_bytes(b"\x89PNG")
    (tmp_path / "v.py").write_text("def get_var(name, prompt, others):\n    return {'output': f' {name} {prompt} '}\n")
    (tmp_path / "bad.py").write_text("def get_var(name, prompt, others):\n    return {'error': 'no luck'}\n")
    names = {"t": "file://t.txt", "d": "file://d.yaml", "p": "file://p.png", "v": "file://v.py"}
    assert load_variables(names, folder=tmp_path, prompt="P") == {
        "t": "two\nlines",
        "d": '{"k":"Yes","l":[1,"x"]}',
        "p": "iVBORw==",
        "v": "v P",
    }
    for name, told in (("bad.py", "no luck"), ("x.js", "cannot come from JavaScript"), ("no.txt", "cannot read")):
        with pytest.raises(MetapromptError, match=told):
            load_variables({"x": f"file://{name}"}, folder=tmp_path, prompt="P")


def test_prompts_from_functions_and_programs(tmp_path: Path) -> None:
    (tmp_path / "p.py").write_text(
        "def chat(context):\n    return [{'role': 'user', 'content': '{{ q }} for ' + context['provider']['id']}]\n"
        "def other(context):\n    return {'prompt': 'hi {{ q }}', 'config': {'seed': 1}}\n"
        "def broken(context):\n    return 5\n"
    )
    case = Case("c", Place("x"))

    def made(**source: str) -> Any:
        situation = Situation(Column(tmp_path, "p", "E", **source), case, ModelSpec("echo", ""))
        return render_column(parse_routine("code", name="p", form="user"), situation, {"q": "Q"})

    assert json.loads(made(function="p.py:chat").prompt) == [{"role": "user", "content": "Q for echo"}]
    assert (made(function="p.py:other").prompt, made(function="p.py:other").config) == ("hi Q", {"seed": 1})
    assert made(command="printf 'run %s' '{{ q }}'").prompt.startswith("run Q")
    for source, told in (("p.py:broken", "returned int"), ("p.py:nope", "has no function 'nope'")):
        with pytest.raises(MetapromptError, match=told):
            made(function=source)
    with pytest.raises(MetapromptError, match="exited with 3"):
        made(command="sh -c 'exit 3'")


@pytest.mark.parametrize(
    ("prompt", "messages"),
    [
        ("hi", [("user", "hi")]),
        ("[not json", [("user", "[not json")]),
        ('[{"role": "system", "content": "S"}, {"role": "user", "content": "U"}]', [("system", "S"), ("user", "U")]),
        ("- role: user\n  content: 'yes'\n", [("user", "yes")]),
        ("  - role: user\n    content: in\n", [("user", "in")]),
    ],
)
def test_a_prompt_is_a_chat_or_one_message(prompt: str, messages: list[tuple[str, str]]) -> None:
    assert [(one.role, one.content) for one in chat_messages(prompt, provider="openai")] == messages


@pytest.mark.parametrize("prompt", ["42", '"text"', '{"a": 1}', '["a"]', "[]", "- role: user\n  content: 'a\nb'\n"])
def test_json_that_is_no_chat_is_an_error_and_not_sent(prompt: str) -> None:
    with pytest.raises(RoutineError):
        chat_messages(prompt, provider="openai")
    (message,) = chat_messages(prompt, provider="echo")
    assert message.content == prompt


def test_parts_of_a_message_are_sent_as_they_are() -> None:
    (message,) = chat_messages('[{"role": "user", "content": [{"type": "text", "text": "x"}]}]', provider="openai")
    assert message.extra["content"] == [{"type": "text", "text": "x"}]


def test_a_reply_is_shaped_as_there() -> None:
    call = ToolCall("f", {"a": 1}, '{"a": 1}', id="1")
    assert shaped(Reply("hi"), parsed=False).output is None
    assert shaped(Reply('{"a": 1}'), parsed=True).output == {"a": 1}
    assert shaped(Reply("no json"), parsed=True).output is None
    assert shaped(Reply("", tool_calls=(call,)), parsed=False).output is None
    both = shaped(Reply("hi", tool_calls=(call,)), parsed=False)
    assert json.loads(both.text)["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"a": 1}'}
    legacy = replace(call, id=None)
    assert shaped(Reply("", tool_calls=(legacy,)), parsed=False).output == {"name": "f", "arguments": '{"a": 1}'}


def test_texts_of_assertions_are_templates_and_others_are_not() -> None:
    check = Assertion(
        "contains-any", ["{{ v }}", {"k": "{{ v }}"}], metric="{{ v }}M", children=(Assertion("x", "{{v}}"),)
    )
    found = rendered_check(check, {"v": "zed"})
    assert (found.value, found.metric, found.children[0].value) == (["zed", {"k": "{{ v }}"}], "zedM", "zed")
    plain = Assertion("equals", "file://{{ v }}.txt")
    assert rendered_check(plain, {"v": "zed"}) is plain
