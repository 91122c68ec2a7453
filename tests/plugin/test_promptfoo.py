"""Promptfoo configs as users run them: collected by name, run, judged and repaired where their prompts live."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import RULE, After, Body, Project, append, envelope, number_of

ECHO = """\
prompts:
  - 'Say {{word}}'
  - {label: loud, raw: 'SHOUT {{word}}'}
providers: [echo, {id: echo, label: parrot}]
tests:
  - {description: says it, vars: {word: hello}, assert: [{type: contains, value: '{{word}}'}]}
  - {vars: {word: bye}, assert: [{type: equals, value: Say bye}]}
"""
TEXT = "You read numbers in what a customer writes: {{ message }}"


def config(project: Project, text: str, name: str = "promptfooconfig.yaml") -> None:
    project.write_bytes(name, text.replace("BASE", project.server.base_url).encode())


def outcomes(after: After) -> dict[str, str]:
    return {f"{s['path']}::{c['id']}": c["outcome"] for s in after.report["suites"] for c in s["cases"]}


def test_a_config_is_collected_only_where_it_is_named(project: Project) -> None:
    config(project, ECHO)
    assert project.run().code == 5
    assert project.run("promptfooconfig.yaml").result.parseoutcomes() == {"passed": 6, "failed": 2}
    listed = project.run("-o", "metaprompt_collect=promptfoo")
    assert listed.result.parseoutcomes() == {"passed": 6, "failed": 2}


def test_each_prompt_with_each_provider_is_a_suite_with_a_readable_name(project: Project) -> None:
    config(project, ECHO)
    after = project.run("promptfooconfig.yaml", "-v", "-k", "says-it")
    after.result.assert_outcomes(passed=4, deselected=4)
    after.result.stdout.fnmatch_lines(
        [
            "promptfooconfig.yaml::Say {{word}} · echo::says-it PASSED*",
            "promptfooconfig.yaml::loud · echo::says-it PASSED*",
            "promptfooconfig.yaml::Say {{word}} · parrot::says-it PASSED*",
            "promptfooconfig.yaml::loud · parrot::says-it PASSED*",
        ]
    )
    one = project.run("promptfooconfig.yaml::loud · parrot::says-it")
    one.result.assert_outcomes(passed=1)


def test_the_same_config_in_json_gives_the_same_results(project: Project) -> None:
    values: dict[str, Any] = {"prompts": ["Say {{word}}"], "providers": ["echo"]}
    values["tests"] = [{"vars": {"word": "hello"}, "assert": [{"type": "equals", "value": "Say hello"}]}]
    config(project, json.dumps(values), "promptfooconfig.json")
    project.run("promptfooconfig.json").result.assert_outcomes(passed=1)


def test_a_test_without_assertions_is_skipped_with_the_reason(project: Project) -> None:
    config(project, "prompts: ['Say {{w}}']\nproviders: [echo]\ntests: [{vars: {w: hi}}]\n")
    after = project.run("promptfooconfig.yaml", "-rs")
    after.result.assert_outcomes(skipped=1)
    assert "the test has no assertion, so nothing was judged" in after.text
    assert after.report["suites"][0]["cases"][0]["attempts"][0]["text"] == "Say hi"


def test_what_is_not_supported_is_refused_by_name(project: Project) -> None:
    config(project, "prompts: [hi]\nproviders: ['anthropic:messages:x']\ntests: [{vars: {a: b}}]\n")
    after = project.run("promptfooconfig.yaml")
    assert after.code == 4
    assert (
        "promptfooconfig.yaml:2: the provider 'anthropic:messages:x' is not supported (supported: openai" in after.text
    )


def test_a_broken_template_is_an_error_of_its_test_alone(project: Project) -> None:
    config(
        project,
        "prompts: ['{{ t }} x']\nproviders: [echo]\ndefaultTest: {assert: [{type: contains, value: x}]}\n"
        "tests: [{description: good, vars: {t: 1}}, {description: bad, vars: {t: '{{ 1 | nofilter }}'}}]\n",
    )
    after = project.run("promptfooconfig.yaml")
    assert outcomes(after) == {"promptfooconfig.yaml::good": "passed", "promptfooconfig.yaml::bad": "error"}
    assert "No filter named 'nofilter'" in after.text


STORY = """\
prompts: ['{{v}} and {{ before }}']
providers: [echo]
tests:
  - {description: first, vars: {v: one}, options: {storeOutputAs: before}}
  - {description: second, vars: {v: two}, assert: [{type: equals, value: 'two and one and '}]}
"""


def test_a_test_that_uses_an_earlier_output_runs_after_it_even_alone(project: Project) -> None:
    config(project, STORY)
    project.run("promptfooconfig.yaml").result.assert_outcomes(passed=1, skipped=1)
    project.run("promptfooconfig.yaml", "-k", "second").result.assert_outcomes(passed=1, deselected=1)


def test_a_conversation_is_seen_by_the_tests_that_follow_in_it(project: Project) -> None:
    config(
        project,
        "prompts: ['{% for turn in _conversation %}[{{ turn.output }}]{% endfor %}{{q}}']\nproviders: [echo]\ntests:\n"
        "  - {description: a1, vars: {q: hi}, metadata: {conversationId: a}, assert: [{type: equals, value: hi}]}\n"
        "  - {description: b1, vars: {q: yo}, metadata: {conversationId: b}, assert: [{type: equals, value: yo}]}\n"
        "  - description: a2\n    vars: {q: so}\n    metadata: {conversationId: a}\n"
        "    assert: [{type: equals, value: '[hi]so'}]\n",
    )
    project.run("promptfooconfig.yaml").result.assert_outcomes(passed=3)


def test_requests_carry_what_promptfoo_sends(project: Project) -> None:
    project.target = lambda body: "fine"
    config(
        project,
        'prompts: ["- role: user\\n  content: {{q}}\\n"]\n'
        "tests: [{vars: {q: hello}, assert: [{type: equals, value: fine}]}]\n"
        "providers:\n"
        "  - {id: 'openai:chat:small', config: {apiBaseUrl: BASE, apiKey: secret, top_p: 0.5, max_tokens: 7}}\n",
    )
    project.run("promptfooconfig.yaml").result.assert_outcomes(passed=1)
    (body,) = project.asked("small")
    assert body == {
        "model": "small",
        "messages": [{"role": "user", "content": "hello"}],
        "temperature": 0.0,
        "max_tokens": 7,
        "top_p": 0.5,
    }


def test_providers_of_the_users_own_are_asked(project: Project) -> None:
    project.write_bytes(
        "own.py",
        b"def call_api(prompt, options, context):\n"
        b"    return {'output': {'said': prompt, 'style': options['config']['style'], 'q': context['vars']['q']}}\n",
    )
    project.write_bytes("own.sh", b'#!/bin/sh\necho "heard $1"\n').chmod(0o755)
    config(
        project,
        "prompts: ['Q {{q}}']\nproviders: [{id: 'file://own.py', config: {style: dry}}, 'exec:./own.sh']\n"
        "tests:\n  - {vars: {q: x}, providers: ['file://own.py'],\n"
        "     assert: [{type: equals, value: {said: Q x, style: dry, q: x}}]}\n"
        "  - {vars: {q: x}, providers: ['exec:*'], assert: [{type: equals, value: heard Q x}]}\n",
    )
    project.run("promptfooconfig.yaml").result.assert_outcomes(passed=2)


def test_the_users_own_programs_are_run_and_neither_they_nor_their_keys_recorded(project: Project) -> None:
    project.write_bytes("own.py", b"def call_api(prompt, options, context):\n    return {'output': 'old'}\n")
    project.write_bytes("own.sh", b"#!/bin/sh\necho old\n").chmod(0o755)
    config(
        project,
        "prompts: ['Q {{q}}']\nproviders:\n"
        "  - {id: 'file://own.py', config: {apiKey: sk-secret-1}}\n"
        "  - {id: 'exec:./own.sh', env: {OWN_KEY: sk-secret-2}}\n"
        "tests: [{vars: {q: x}, assert: [{type: equals, value: new}]}]\n",
    )
    first = project.run("promptfooconfig.yaml", "--metaprompt-record=once", own_process=True)
    first.result.assert_outcomes(failed=2)
    assert not [name for name in first.files if name.startswith("cassettes/")]
    project.write_bytes("own.py", b"def call_api(prompt, options, context):\n    return {'output': 'new'}\n")
    project.write_bytes("own.sh", b"#!/bin/sh\necho new\n").chmod(0o755)
    second = project.run("promptfooconfig.yaml", "--metaprompt-record=once", own_process=True)
    second.result.assert_outcomes(passed=2)
    assert "sk-secret" not in first.text + second.text


def reads_numbers(body: Body) -> str:
    """A target that answers with the bare number only if its prompt says so anywhere."""
    number = number_of(body)
    told = json.dumps(body["messages"])
    return number if RULE in told else f"The number is {number}."


@pytest.fixture
def broken(project: Project) -> Project:
    """A target that all tests fail with, and a meta model that knows why."""
    project.target = reads_numbers
    project.meta = lambda body: envelope(append(RULE))
    return project


TESTS = "tests:\n" + "".join(
    f"  - {{vars: {{message: take {100 + n}}}, assert: [{{type: equals, value: '{100 + n}'}}]}}\n" for n in range(6)
)
PROVIDER = "providers: [{id: openai:small, config: {apiBaseUrl: BASE, apiKey: x}}]\n"

HOMES = [
    ("promptfooconfig.yaml", f"prompts:\n  - '{TEXT}'  # one\n", f'prompts:\n  - "{TEXT}\\n{RULE}"  # one\n'),
    (
        "promptfooconfig.yaml",
        f"prompts:\n  - label: main\n    raw: |\n      {TEXT}\n",
        f"prompts:\n  - label: main\n    raw: |\n      {TEXT}\n      {RULE}\n",
    ),
    (
        "prompts.txt",
        f"First {{{{message}}}}\n\n---\n{TEXT}\n---\nlast\n",
        f"First {{{{message}}}}\n\n---\n{TEXT}\n{RULE}\n---\nlast\n",
    ),
    (
        "promptfooconfig.yaml",
        'prompts:\n  - |\n    [{"role": "system", "content": "Be kind."},\n'
        f'     {{"role": "user", "content": "{TEXT}"}}]\n',
        f'prompts:\n  - |\n    [{{"role": "system", "content": "Be kind.\\n{RULE}"}},\n'
        f'     {{"role": "user", "content": "{TEXT}"}}]\n',
    ),
    ("one.md", f"{TEXT}\n", f"{TEXT}\n{RULE}\n"),
    (
        "chat.json",
        f'[\n  {{"role": "system", "content": "Be kind."}},\n  {{"role": "user", "content": "{TEXT}"}}\n]\n',
        f'[\n  {{"role": "system", "content": "Be kind.\\n{RULE}"}},\n  {{"role": "user", "content": "{TEXT}"}}\n]\n',
    ),
    (
        "chat.yaml",
        f"# chat\n- role: system\n  content: Be kind.\n- role: user\n  content: '{TEXT}'\n",
        f"# chat\n- role: system\n  content: |-\n    Be kind.\n    {RULE}\n- role: user\n  content: '{TEXT}'\n",
    ),
]


@pytest.mark.parametrize(("name", "old", "new"), HOMES)
def test_a_repair_is_written_to_where_the_prompt_lives(broken: Project, name: str, old: str, new: str) -> None:
    rest = PROVIDER + TESTS
    if name == "promptfooconfig.yaml":
        config(broken, old + rest)
    else:
        broken.write_bytes(name, old.encode())
        config(broken, f"prompts: [file://{name}]\n{rest}")
    before = broken.files()
    where = "" if name != "prompts.txt" else "::prompts.txt#2"
    after = broken.run(
        f"promptfooconfig.yaml{where}", "--metaprompt-fix", "--metaprompt-meta=openai:big", env=meta(broken)
    )
    (repair,) = [one for one in after.report["repairs"] if one["status"] != "not_needed"]
    assert repair["status"] == "applied", after.text
    assert after.code == 0
    wanted = dict(before)
    wanted[name] = before[name].decode().replace(old, new).encode()
    assert after.files == wanted
    assert broken.run(f"promptfooconfig.yaml{where}").code == 0


@pytest.mark.parametrize(
    "options", ["", "defaultTest: {options: {prefix: 'Please: '}}\n"], ids=["chat", "with a prefix"]
)
def test_a_chat_that_a_program_gets_as_one_text_is_repaired(broken: Project, options: str) -> None:
    broken.write_bytes(
        "own.py",
        f"import re\ndef call_api(prompt, options, context):\n"
        f"    number = re.findall('take ([0-9]+)', prompt)[-1]\n"
        f"    return {{'output': number if {RULE!r} in prompt else 'It is ' + number}}\n".encode(),
    )
    chat = f'[{{"role": "system", "content": "Be kind."}}, {{"role": "user", "content": "{TEXT}"}}]\n'
    broken.write_bytes("chat.json", chat.encode())
    config(broken, f"prompts: [file://chat.json]\nproviders: ['file://own.py']\n{options}{TESTS}")
    after = broken.run("promptfooconfig.yaml", "--metaprompt-fix", "--metaprompt-meta=openai:big", env=meta(broken))
    assert after.code == 0, after.text
    assert after.files["chat.json"].decode() == chat.replace("Be kind.", f"Be kind.\\n{RULE}")


def meta(project: Project) -> dict[str, str]:
    return {"OPENAI_BASE_URL": project.server.base_url, "OPENAI_API_KEY": "x"}


@pytest.mark.parametrize("code", ["{% if", "{{ n", "{# a word"])
def test_a_proposal_that_would_make_the_prompt_no_template_is_refused_before_any_call(
    broken: Project, code: str
) -> None:
    config(broken, f"prompts: ['{TEXT}']\n{PROVIDER}{TESTS}")
    broken.meta = lambda body: envelope(append(f"{RULE} {code}"), append(RULE))
    after = broken.run("promptfooconfig.yaml", "--metaprompt-fix", "--metaprompt-meta=openai:big", env=meta(broken))
    first, second = after.report["repairs"][0]["proposals"]
    assert first["reason"] == f"refused before any call: opens the template code {code[:2]}"
    assert second["decision"] == "accepted"
    assert code not in json.dumps(broken.asked("small"))


def test_tests_that_build_on_each_other_are_not_repaired(broken: Project) -> None:
    config(broken, f"prompts: ['{TEXT}']\n{PROVIDER}{TESTS}".replace("}]}\n", "}], options: {storeOutputAs: x}}\n"))
    after = broken.run("promptfooconfig.yaml", "--metaprompt-fix", "--metaprompt-meta=openai:big", env=meta(broken))
    assert after.code == 1
    assert [one["status"] for one in after.report["repairs"]] == ["rejected"]
    assert "its tests build on each other's replies" in after.text


def test_what_a_csv_file_can_hardly_mean_is_told(project: Project) -> None:
    project.write_bytes("t.csv", b"word,__expected,_expected2\nhello,levenshtein: Say hello,x\n")
    config(project, "prompts: ['Say {{word}}']\nproviders: [echo]\ntests: file://t.csv\n")
    after = project.run("promptfooconfig.yaml")
    after.result.assert_outcomes(passed=1)
    assert "t.csv:2: levenshtein without a number means a threshold of 0.75: write levenshtein(...): ..." in after.text
    assert "t.csv: the column '_expected2' is a var; did you mean '__expected2'?" in after.text


def test_no_more_tests_are_under_way_than_the_config_allows(project: Project) -> None:
    project.write_bytes(
        "own.py",
        b"import threading, time\nbusy = []\nmost = []\n"
        b"def call_api(prompt, options, context):\n"
        b"    busy.append(prompt)\n    most.append(len(busy))\n    time.sleep(0.02)\n    busy.remove(prompt)\n"
        b"    return {'output': str(max(most))}\n",
    )
    rows = "".join(f"  - {{vars: {{n: {n}}}, assert: [{{type: equals, value: '1'}}]}}\n" for n in range(5))
    text = f"prompts: ['{{{{n}}}}']\nproviders: ['file://own.py']\ntests:\n{rows}"
    config(project, f"evaluateOptions: {{maxConcurrency: 1}}\n{text}")
    project.run("promptfooconfig.yaml").result.assert_outcomes(passed=5)


def test_a_legacy_function_call_is_the_output(project: Project) -> None:
    call = {"name": "weather", "arguments": '{"city": "Rome"}'}
    message = {"role": "assistant", "content": None, "function_call": call}
    project.target = lambda body: {"choices": [{"message": message, "finish_reason": "function_call"}]}
    functions = "functions: [{name: weather, parameters: {type: object, properties: {city: {type: string}}}}]"
    config(
        project,
        "prompts: [hi]\n"
        f"providers: [{{id: 'openai:small', config: {{apiBaseUrl: BASE, apiKey: x, {functions}}}}}]\n"
        "tests:\n  - assert:\n      - {type: is-valid-openai-function-call}\n"
        "      - {type: javascript, value: output.name === 'weather'}\n",
    )
    after = project.run("promptfooconfig.yaml")
    assert after.code == 0, after.text


def test_a_scoring_function_has_the_last_word(project: Project) -> None:
    project.write_bytes(
        "own.py",
        b"def strict(scores, context):\n"
        b"    told = f'{len(scores)} scores'\n"
        b"    return {'pass': scores['A'] > scores['B'], 'score': scores['A'] / 2, 'reason': told}\n"
        b"def broken(scores, context):\n    return 'fine'\n",
    )
    config(
        project,
        "prompts: [hi]\nproviders: [echo]\n"
        "defaultTest:\n  threshold: 0.9\n  assert:\n    - {type: contains, value: hi, metric: A}\n"
        "    - {type: contains, value: no, metric: B}\n"
        "tests:\n  - {description: strict, assertScoringFunction: 'file://own.py:strict'}\n"
        "  - {description: broken, assertScoringFunction: 'file://own.py:broken'}\n  - {description: none}\n",
    )
    after = project.run("promptfooconfig.yaml")
    assert list(outcomes(after).values()) == ["passed", "error", "failed"]
    (verdict,) = after.report["suites"][0]["cases"][0]["attempts"][0]["verdicts"]
    assert (verdict["score"], verdict["reason"], len(verdict["children"])) == (0.5, "2 scores", 2)


def test_code_may_score_beyond_1_and_the_report_is_valid(project: Project) -> None:
    config(
        project,
        "prompts: [hi]\nproviders: [echo]\n"
        "tests:\n  - assert:\n"
        "      - {type: python, value: \"{'pass': True, 'score': 5, 'reason': 'great'}\"}\n",
    )
    after = project.run("promptfooconfig.yaml")  # which holds the report against its schema
    assert after.report["suites"][0]["cases"][0]["score"] == 5
