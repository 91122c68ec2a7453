"""Prompts of every kind: what they are known by, where they live, and which texts are paths."""

from __future__ import annotations

import pytest

from pytest_metaprompt.suites import JsonAt, SectionAt, YamlAt
from tests.formats.promptfoo.conftest import Read, Refused

REST = "\nproviders: [echo]\ntests: [{vars: {q: x}}]\n"


@pytest.mark.parametrize(
    "text",
    [
        "Answer yes/no: {{q}}", "Rate 1/10", "See notes.txt", "What is 2*2?", "Is it 3.14?", "end.", "*", "{{q}}.md",
        '{"l": [1, 2.0]}', "back\\slash {{q}}", "yes. No", "Use a.b or",
    ],
)  # fmt: skip
def test_a_text_that_looks_like_a_path_and_is_none_is_a_text(read: Read, text: str) -> None:
    (suite,) = read(f"prompts: ['{text}']{REST}")
    assert suite.routine.inline == text
    assert suite.routine.at == YamlAt(("prompts", 0))


@pytest.mark.parametrize("text", ["nope.txt", "abc.py", "file://nope.txt", "x.abc", "http://x.y/z", "file://a b.txt"])
def test_a_path_to_nothing_is_refused(refused: Refused, text: str) -> None:
    assert "promptfooconfig.yaml:1: " in refused(f"prompts: ['{text}']{REST}")


def test_a_file_that_exists_is_read_whatever_its_name(read: Read) -> None:
    suites = read(
        f"prompts: ['a b.txt', sub/one.md]{REST}", **{"a b_dot_txt": "from file\n", "sub__one_dot_md": "md\n"}
    )
    assert [suite.column.prompt for suite in suites] == ["a b.txt: from file", "sub/one.md: md\n..."]
    assert [suite.routine.at for suite in suites] == [SectionAt(0), None]


def test_the_sections_of_a_text_file_are_prompts(read: Read) -> None:
    suites = read(f"prompts: file://p.txt{REST}", p_dot_txt="A\n---\n\n ---\nB {{q}}\n--- \n")
    assert [suite.part for suite in suites] == ["p.txt#1", "p.txt#2"]
    assert [suite.routine.at for suite in suites] == [SectionAt(0), SectionAt(1)]


def test_a_pattern_is_gone_through_from_the_end_of_the_alphabet(read: Read) -> None:
    files = {"p__1_dot_txt": "one", "p__10_dot_txt": "ten", "p__2_dot_txt": "two"}
    assert [s.part for s in read(f"prompts: [file://p/*.txt]{REST}", **files)] == ["p/2.txt", "p/10.txt", "p/1.txt"]


def test_chats_keep_their_form_and_other_json_is_a_text(read: Read) -> None:
    suites = read(
        f"prompts: [file://chat.json, file://chat.yaml, file://loop.json, file://other.json]{REST}",
        chat_dot_json='[{"role": "user", "content": "{{q}}"}]',
        chat_dot_yaml="- role: user\n  content: '{{q}}'\n",
        loop_dot_json='[{% for x in q %}{"role": "user"}{% endfor %}]',
        other_dot_json='{"q": "{{q}}"}',
    )
    assert [suite.routine.form for suite in suites] == ["messages-json", "messages-yaml", "user", "user"]
    assert [suite.routine.path is not None for suite in suites] == [True, True, True, False]
    assert suites[3].routine.inline == '{"q":"{{q}}"}'


def test_lines_and_tables_are_prompts(read: Read) -> None:
    suites = read(
        f"prompts: [file://p.jsonl, file://p.csv]{REST}",
        p_dot_jsonl='[{"role": "user", "content": "L {{q}}"}]\n\n{"q": 1}\n',
        p_dot_csv='prompt,label\n"C, {{q}}",first\nD,\n',
    )
    assert [suite.part for suite in suites] == ["p.jsonl#1", "p.jsonl#3", "first", "p.csv#2"]
    assert suites[2].routine.inline == "C, {{q}}"


def test_functions_and_programs_are_named_and_not_run(read: Read) -> None:
    suites = read(
        f"prompts: ['file://gen.py:make', gen.py, 'exec:./prompt.sh x', {{id: 'file://gen.py:make', label: L}}]{REST}",
        gen_dot_py="raise SystemExit('run')\n",
    )
    assert [suite.column.prompt for suite in suites] == ["gen.py:make", "gen.py", "exec:./prompt.sh x", "L"]
    assert suites[0].column.function.endswith("gen.py:make")
    assert suites[1].column.command.endswith("gen.py")
    assert suites[2].column.command == "./prompt.sh x"


def test_raw_may_name_a_program_or_a_file_as_it_does_upstream(read: Read) -> None:
    entries = "{label: Shell, raw: 'exec:./prompt.sh'}, {id: two, label: L, raw: 'file://p.txt'}, {raw: 'a/b.txt'}"
    program, file, text = read(f"prompts: [{entries}]{REST}", p_dot_txt="A {{q}}\n")
    assert (program.column.prompt, program.column.command) == ("Shell", "./prompt.sh")
    assert (file.column.prompt, file.routine.at) == ("L: p.txt: A {{q}}", SectionAt(0))
    assert text.routine.inline == "a/b.txt"


def test_maps_labels_ids_and_config_are_read(read: Read) -> None:
    (named,) = read(f"prompts: {{p.txt: My prompt}}{REST}", p_dot_txt="hi")
    assert named.column.prompt == "My prompt: p.txt: hi"
    text = "prompts:\n  - {id: a, label: A, raw: 'hi', config: {temperature: 1}}\n  - {id: b, raw: ho}\n"
    first, second = read(text + REST)
    assert (first.column.prompt, first.column.config) == ("A", {"temperature": 1})
    assert second.column.prompt == "b"
    assert first.routine.at == YamlAt(("prompts", 0, "raw"))


def test_a_prompt_in_json_lives_in_json(tmp_path, read: Read) -> None:
    from pytest_metaprompt.formats.promptfoo.config import read_config

    path = tmp_path / "promptfooconfig.json"
    path.write_text('{"prompts": ["hi"], "providers": ["echo"]}')
    (suite,) = read_config(path, root=tmp_path)
    assert suite.routine.at == JsonAt(("prompts", 0))
    assert len(suite.cases) == 1


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        ("file://p.js", "the prompt function 'p.js' is not Python"),
        ("langfuse://x", "prompts from langfuse:// are not supported"),
        ("file://p.docx", "there is no prompt file 'p.docx'"),
        ("''", "a prompt is empty"),
        ("{label: x}", "a prompt needs an id or raw"),
    ],
)
def test_what_cannot_be_a_prompt_is_refused_by_name(refused: Refused, prompt: str, told: str) -> None:
    assert told in refused(f"prompts:\n  - {prompt}{REST}")
