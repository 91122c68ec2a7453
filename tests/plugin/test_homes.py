"""Repairs of routines wherever they live: the file afterwards differs in the routine's text and in nothing else."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests.conftest import RULE, After, Body, Project, append, envelope, obeys_the_rule

HEAD = """\
target: {model: openai:small, base_url: BASE}
meta: {model: openai:big, base_url: BASE}
objective: Read the number in a message.
"""
CASES = "cases:\n" + "".join(f'  - {{id: case-{n}, input: "take {100 + n}", expect: "{100 + n}"}}\n' for n in range(6))
TEXT = "You read numbers in what a customer writes. Be polite."


@pytest.fixture
def broken(project: Project) -> Project:
    """Cases that all fail, and a meta model that knows why."""
    project.target = obeys_the_rule
    project.meta = lambda body: envelope(append(RULE))
    return project


def suite(project: Project, routine: str, *, name: str = "orders", end: str = "\n") -> str:
    """A suite with this routine; its text."""
    text = f"# numbers: é🍌\n{routine}\n{HEAD}{CASES}".replace("BASE", project.server.base_url).replace("\n", end)
    project.write_bytes(f"{name}.metaprompt.yaml", text.encode())
    return text


def repaired(project: Project, *args: str) -> After:
    after = project.run("--metaprompt-fix", *args)
    assert [one["status"] for one in after.report["repairs"]] == ["applied"], after.text
    assert after.code == 0
    assert "6 repaired" in after.text
    assert project.run(*args).code == 0
    return after


INLINE = [
    ("routine: {inline: 'TEXT'}  # why", 'routine: {inline: "TEXT\\nRULE"}  # why'),
    ('routine: {"inline": "TEXT"}', 'routine: {"inline": "TEXT\\nRULE"}'),
    ("routine:\n  inline: TEXT", "routine:\n  inline: |-\n    TEXT\n    RULE"),
    (
        "routine:\n  # note\n  inline: |  # why\n      TEXT\n\n",
        "routine:\n  # note\n  inline: |  # why\n      TEXT\n      RULE\n\n",
    ),
    ("routine:\n  inline: &r >-\n    TEXT", "routine:\n  inline: &r >-\n    TEXT\n\n    RULE"),
]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(("old", "new"), INLINE)
def test_a_routine_inside_the_suite_is_repaired_there(broken: Project, old: str, new: str, end: str) -> None:
    old, new = (one.replace("TEXT", TEXT).replace("RULE", RULE) for one in (old, new))
    text = suite(broken, old, end=end)
    after = repaired(broken)
    wanted = text.replace(old.replace("\n", end), new.replace("\n", end))
    assert after.files == {"orders.metaprompt.yaml": wanted.encode()}
    assert after.report["repairs"][0]["routine"] == "orders.metaprompt.yaml::routine.inline"
    assert "+++ b/orders.metaprompt.yaml" in after.report["repairs"][0]["diff"]


def test_the_diff_of_a_routine_inside_a_suite_can_be_applied_by_git(broken: Project) -> None:
    text = suite(broken, f"routine:\n  inline: {TEXT}")
    after = broken.run("--metaprompt-fix-mode=diff")
    assert after.files["orders.metaprompt.yaml"] == text.encode()
    broken.write_bytes("a.patch", after.report["repairs"][0]["diff"].encode())
    subprocess.run(["git", "apply", "a.patch"], cwd=broken.path, check=True)
    assert broken.run().code == 0


MODULE = '''\
"""Prompts. é🍌"""

import os  # never run: $HOME stays
raise SystemExit("the module is not run")


class Shop:
    OTHER = "x"
    RULES: str = (
        "You read numbers "  # first
        r"in a customer's message. "
        "Be polite."
    )
'''


def test_a_constant_of_a_module_is_repaired_in_the_module(broken: Project) -> None:
    broken.write_bytes("lib/prompts.py", MODULE.encode())
    suite(broken, "routine: lib/prompts.py:Shop.RULES")
    after = repaired(broken)
    wanted = MODULE.replace('"Be polite."', f'"Be polite.\\n{RULE}"')
    assert after.files["lib/prompts.py"] == wanted.encode()
    assert after.report["repairs"][0]["routine"] == "lib/prompts.py:Shop.RULES"


def test_an_f_string_is_refused_with_what_to_write(broken: Project) -> None:
    broken.write_bytes("prompts.py", b"RULES = f'You are {name}.'\n")
    suite(broken, "routine: prompts.py:RULES")
    after = broken.run("--metaprompt-fix")
    assert after.code == 4
    assert "prompts.py: RULES is an f-string (write {{name}} placeholders in a plain string in its place)" in after.text


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        (
            "chat.yaml",
            f"# head\n- role: system\n  content: {TEXT}\n\n- {{role: user, content: '{{{{input}}}}'}}  # end\n",
            f"# head\n- role: system\n  content: |-\n    {TEXT}\n    {RULE}\n\n"
            "- {role: user, content: '{{input}}'}  # end\n",
        ),
        (
            "chat.json",
            f'[\n {{"role": "system", "content": "{TEXT}"}},\n {{"content":"{{{{input}}}}","role":"user"}} ]',
            f'[\n {{"role": "system", "content": "{TEXT}\\n{RULE}"}},\n {{"content":"{{{{input}}}}","role":"user"}} ]',
        ),
    ],
)
def test_a_list_of_messages_is_repaired_in_its_file(broken: Project, name: str, old: str, new: str) -> None:
    broken.write_bytes(name, old.encode())
    suite(broken, f"routine: {name}")
    assert repaired(broken).files[name] == new.encode()


def test_examples_are_added_to_a_list_of_messages_and_turn_its_gate_green(broken: Project) -> None:
    """Without a meta model: the target learns only from worked examples."""

    def target(body: Body) -> str:
        shown = [message for message in body["messages"] if message["role"] == "assistant"]
        return (
            obeys_the_rule({"messages": [{"role": "system", "content": RULE}, body["messages"][-1]]}) if shown else "?"
        )

    old = '{"messages": [{"role": "system", "content": "Read."}, {"role": "user", "content": "{{input}}"}], "n": 1.0}\n'
    broken.target = target
    broken.write_bytes("chat.json", old.encode())
    text = f"routine: chat.json\n{HEAD}{CASES}".replace("meta: {model: openai:big, base_url: BASE}\n", "")
    many = "".join(f'  - {{id: more-{n}, input: "take {200 + n}", expect: "{200 + n}"}}\n' for n in range(18))
    broken.suite(text + many)
    after = broken.run("--metaprompt-fix")
    assert after.code == 0, after.text
    new = json.loads(after.files["chat.json"])
    roles = [message["role"] for message in new["messages"]]
    assert roles[:3] == ["system", "user", "assistant"]
    assert roles[-1] == "user"
    assert after.files["chat.json"].startswith(b'{"messages": [{"role": "system", "content": "Read."}, ')
    assert after.files["chat.json"].endswith(b'{"role": "user", "content": "{{input}}"}], "n": 1.0}\n')


def test_two_routines_in_one_file_are_two_repairs(broken: Project) -> None:
    module = f'A = "{TEXT}"\nB = """{TEXT}"""\n'
    broken.write_bytes("prompts.py", module.encode())
    for name in "AB":
        suite(broken, f"routine: prompts.py:{name}", name=name.lower())
    after = broken.run("--metaprompt-fix")
    assert after.code == 0, after.text
    assert [(one["routine"], one["status"]) for one in after.report["repairs"]] == [
        ("prompts.py:A", "applied"),
        ("prompts.py:B", "applied"),
    ]
    assert after.files["prompts.py"].decode() == f'A = "{TEXT}\\n{RULE}"\nB = """{TEXT}\n{RULE}"""\n'


def test_suites_that_share_a_constant_are_repaired_together(broken: Project) -> None:
    broken.write_bytes("prompts.py", f'A = "{TEXT}"\n'.encode())
    for name in "ab":
        suite(broken, "routine: prompts.py:A", name=name)
    after = broken.run("--metaprompt-fix")
    assert [one["before"]["total"] for one in after.report["repairs"]] == [12]
    assert after.code == 0


def test_a_second_repair_in_a_file_is_not_written_over_a_change_from_outside(broken: Project) -> None:
    """Somebody edits the file while the second of its routines is repaired."""
    broken.write_bytes("prompts.py", f'A = "{TEXT}"\nB = "{TEXT} B"\n'.encode())
    for name in "AB":
        suite(broken, f"routine: prompts.py:{name}", name=name.lower())

    def meta(body: Body) -> Any:
        if f"{TEXT} B" in body["messages"][-1]["content"]:
            path = broken.path / "prompts.py"
            path.write_text(path.read_text() + "C = 1\n")
        return envelope(append(RULE))

    broken.meta = meta
    after = broken.run("--metaprompt-fix")
    assert [one["status"] for one in after.report["repairs"]] == ["applied", "error"]
    assert "changed while the repair ran" in after.text
    assert after.files["prompts.py"].decode() == f'A = "{TEXT}\\n{RULE}"\nB = "{TEXT} B"\nC = 1\n'


def test_the_second_repair_in_a_file_does_not_take_the_first_for_uncommitted_work(broken: Project) -> None:
    broken.write_bytes("prompts.py", f'A = "{TEXT}"\nB = "{TEXT}"\n'.encode())
    for name in "AB":
        suite(broken, f"routine: prompts.py:{name}", name=name.lower())
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "-q"], ["add", "prompts.py"], [*identity, "commit", "-qm", "x"]):
        subprocess.run(["git", *command], cwd=broken.path, check=True)
    after = broken.run("--metaprompt-fix")
    assert [one["status"] for one in after.report["repairs"]] == ["applied", "applied"]


def test_a_text_that_an_alias_repeats_is_not_repaired_and_no_call_is_spent(broken: Project) -> None:
    text = suite(broken, f'routine: {{inline: &text "{TEXT}"}}\ndescription: *text')
    after = broken.run("--metaprompt-fix")
    assert after.files == {"orders.metaprompt.yaml": text.encode()}
    assert after.report["repairs"][0]["status"] == "rejected"
    assert "repeated elsewhere in the file, by an alias (write it out in each place)" in after.text
    assert not broken.asked("big")


def test_mode_diff_shows_what_would_help_even_where_it_cannot_be_written(broken: Project) -> None:
    text = suite(broken, f'routine: {{inline: &text "{TEXT}"}}\ndescription: *text')
    after = broken.run("--metaprompt-fix-mode=diff")
    assert after.files == {"orders.metaprompt.yaml": text.encode()}
    assert after.report["repairs"][0]["status"] == "proposed"
    assert f"+{RULE}" in after.report["repairs"][0]["diff"]


def test_template_code_in_a_routine_survives_a_repair(broken: Project) -> None:
    broken.write_bytes("routine.md", f"{TEXT}\n{{% if vip %}}\nBow.\n{{% endif %}}\n".encode())
    suite(broken, "routine: routine.md")
    broken.meta = lambda body: envelope(
        {"hypothesis": "h", "edits": [{"message": 0, "op": "delete", "anchor": "{% endif %}"}]},
        append(RULE),
    )
    after = broken.run("--metaprompt-fix")
    decisions = [one["reason"] for one in after.report["repairs"][0]["proposals"]]
    assert "refused before any call: drops or adds the template code {% endif %}" in decisions
    assert after.files["routine.md"].decode() == f"{TEXT}\n{{% if vip %}}\nBow.\n{{% endif %}}\n{RULE}\n"


PROMPT = """\
name: Numbers  # é🍌
description: Read the number in a message.
model: openai/gpt-4o
modelParameters: {temperature: 0, maxTokens: 9}
messages:
  - role: system
    content: >-
      You read numbers
      in a customer's message. Be polite.
  - {role: user, content: "{{input}}"}

testData:
ROWS
evaluators:
  - name: exact
    string: {equals: "{{expected}}"}
"""
ROWS = "".join(f"  - {{input: take {100 + n}, expected: {100 + n}}}\n" for n in range(6))


def test_a_prompt_file_of_github_is_a_suite_and_is_repaired(broken: Project) -> None:
    text = PROMPT.replace("ROWS\n", ROWS)
    broken.write_bytes("numbers.prompt.yml", text.encode())
    env = {"GITHUB_TOKEN": "t", "GITHUB_MODELS_BASE_URL": broken.server.base_url, "OPENAI_API_KEY": "k"}
    env["OPENAI_BASE_URL"] = broken.server.base_url
    args = ["numbers.prompt.yml", "--metaprompt-meta=openai:big"]
    assert broken.run(*args, env=env).result.parseoutcomes() == {"failed": 6}
    bodies = broken.asked("openai/gpt-4o")
    assert {(body["temperature"], body["max_tokens"]) for body in bodies} == {(0, 9)}
    assert "take 100" in {body["messages"][1]["content"] for body in bodies}
    after = broken.run(*args, "--metaprompt-fix", env=env)
    assert after.code == 0, after.text
    wanted = text.replace("Be polite.\n", f"Be polite.\n\n      {RULE}\n")
    assert after.files == {"numbers.prompt.yml": wanted.encode()}
    assert broken.run(*args, env=env).result.parseoutcomes() == {"passed": 6}


def test_prompt_files_are_collected_where_they_are_named_or_listed(broken: Project) -> None:
    broken.write_bytes("sub/numbers.prompt.yml", PROMPT.replace("ROWS\n", ROWS).encode())
    assert broken.run("--co", "-q").code == 5
    assert "numbers.prompt.yml::take-" in broken.run("--co", "-q", "sub/numbers.prompt.yml").text
    assert "numbers.prompt.yml::take-" in broken.run("--co", "-q", "-o", "metaprompt_collect=github").text


def test_without_a_token_the_error_says_what_to_type(broken: Project) -> None:
    broken.write_bytes("numbers.prompt.yml", PROMPT.replace("ROWS\n", ROWS).encode())
    after = broken.run("numbers.prompt.yml", env={"GITHUB_TOKEN": ""})
    assert "github:openai/gpt-4o needs a token of GitHub, and GITHUB_TOKEN is not set" in after.text
    assert "type: export GITHUB_TOKEN=$(gh auth token), or ask another server" in after.text
    assert after.result.parseoutcomes() == {"errors": 6}
