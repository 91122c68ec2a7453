"""Python tests of routines as their authors meet them: calls, outcomes, markers, reports."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from pytest_metaprompt.testing import Fault, completion, tool_call
from tests.conftest import Body, Project, number_of

HEAD = """\
import pytest

TARGET = {"model": "openai:small", "base_url": "BASE"}
pytestmark = pytest.mark.metaprompt("routine.md", target=TARGET)

"""


@pytest.fixture
def small(project: Project) -> Project:
    project.write(routine_dot_md="You read numbers.\n")
    project.target = number_of
    return project


def write_test(project: Project, text: str, *, head: str = HEAD, name: str = "test_numbers.py") -> None:
    project.write_bytes(name, (head + text).replace("BASE", project.server.base_url).encode())


def suite_of(after: Any) -> Any:
    assert len(after.report["suites"]) == 1
    return after.report["suites"][0]


def test_a_test_asks_the_target_with_the_routine_and_asserts_on_the_reply(small: Project) -> None:
    write_test(
        small,
        """
def test_reads(routine):
    reply = routine.run(input="take 12")
    assert reply.text == "12"
    assert reply.json == 12
    assert reply.tool_calls == ()
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (1, 1)
    assert reply.latency_s > 0
    assert reply.cost_usd is None
    assert reply.messages[-1] == {"role": "user", "content": "take 12"}
""",
    )
    after = small.run()
    after.result.assert_outcomes(passed=1)
    assert small.asked("small")[0]["messages"] == [
        {"role": "system", "content": "You read numbers."},
        {"role": "user", "content": "take 12"},
    ]


def test_tests_are_cases_of_a_suite_in_the_report_and_a_row_in_the_summary(small: Project) -> None:
    write_test(
        small,
        """
def test_right(routine):
    assert routine.run("take 12").text == "12"

class TestMore:
    @pytest.mark.parametrize("number", [13])
    def test_wrong(self, routine, number):
        assert routine.run(f"take {number}").text == "14"
""",
    )
    after = small.run()
    after.result.assert_outcomes(passed=1, failed=1)
    suite = suite_of(after)
    assert (suite["path"], suite["routine"], suite["target"]) == ("test_numbers.py", "routine.md", "openai:small")
    assert (suite["accuracy"]["passed"], suite["accuracy"]["total"]) == (1, 2)
    right, wrong = suite["cases"]
    assert (right["id"], right["outcome"], right["score"]) == ("test_right", "passed", 1.0)
    assert (wrong["id"], wrong["outcome"], wrong["score"]) == ("TestMore::test_wrong[13]", "failed", 0.0)
    attempt = wrong["attempts"][0]
    assert attempt["text"] == "13"
    assert attempt["calls"][0]["messages"][-1]["content"] == "take 13"
    verdict = attempt["verdicts"][0]
    assert (verdict["type"], verdict["passed"]) == ("python-test", False)
    assert "assert '13' == '14'" in verdict["reason"]
    assert after.report["usage"]["calls"] == 2
    after.result.stdout.fnmatch_lines(["test_numbers.py (routine.md)*openai:small*1/2*none"])


def test_pytest_prints_its_own_explanation_and_none_of_our_frames(small: Project) -> None:
    write_test(small, "def test_wrong(routine):\n    assert '30 days' in routine.run('within 14 days').text\n")
    after = small.run()
    after.result.stdout.fnmatch_lines(["E *assert '30 days' in '14'"])
    assert "pytest_metaprompt/plugin" not in after.text


def test_the_same_question_in_one_test_is_a_new_sample_and_in_another_test_the_same(small: Project) -> None:
    write_test(
        small,
        """
def test_twice(routine):
    first, again = routine.run("take 12"), routine.run("take 12")
    assert not first.cached and not again.cached

def test_elsewhere(routine):
    assert routine.run("take 12").cached
""",
    )
    after = small.run()
    after.result.assert_outcomes(passed=2)
    assert len(small.asked("small")) == 2
    assert after.report["usage"]["cached"] == 1


def test_vars_messages_and_params_reach_the_target(small: Project) -> None:
    small.write(routine_dot_md="You talk to {{who}}.\n")
    write_test(
        small,
        """
def test_all(routine):
    routine.run(
        "take 1", vars={"who": "Ada"}, params={"temperature": 0}, messages=[{"role": "user", "content": "and 2"}]
    )
""",
    )
    small.run().result.assert_outcomes(passed=1)
    body = small.asked("small")[0]
    assert [message["content"] for message in body["messages"]] == ["You talk to Ada.", "take 1", "and 2"]
    assert body["temperature"] == 0


def test_a_missing_variable_is_an_error_that_names_it(small: Project) -> None:
    small.write(routine_dot_md="You talk to {{who}}.\n")
    write_test(small, "def test_it(routine):\n    routine.run('take 1')\n")
    after = small.run()
    assert "{{who}} has no value" in after.text
    assert suite_of(after)["cases"][0]["outcome"] == "error"


TOOLS = """
TOOLS = [{"type": "function", "function": {"name": "refund", "parameters": {"type": "object"}}}]
"""


def refunds(body: Body) -> Any:
    if body["messages"][-1]["role"] == "tool":
        return f"Done: {body['messages'][-1]['content']}"
    return completion(tool_calls=[tool_call("refund", order="ORD-1")]) if "tools" in body else "I cannot"


def test_tools_are_called_and_their_results_go_back(small: Project) -> None:
    small.target = refunds
    write_test(
        small,
        TOOLS
        + """
def test_refund(routine):
    chat = routine.chat(tools=TOOLS)
    call, = chat.send("Refund ORD-1, please.").tool_calls
    assert (call.name, call.arguments) == ("refund", {"order": "ORD-1"})
    assert chat.send(tool_results=[{"paid": 12}]).text == 'Done: {"paid": 12}'
    chat.send("Thanks!")
""",
    )
    small.run().result.assert_outcomes(passed=1)
    last = small.asked("small")[-1]["messages"]
    assert [message["role"] for message in last] == ["system", "user", "assistant", "tool", "assistant", "user"]
    assert last[3]["tool_call_id"] == last[2]["tool_calls"][0]["id"] == "call_refund"
    assert all("tools" in body for body in small.asked("small"))


def test_tools_may_stand_in_the_marker(small: Project) -> None:
    small.target = refunds
    small.write(tools_dot_json=json.dumps([{"type": "function", "function": {"name": "refund"}}]))
    write_test(
        small,
        "@pytest.mark.metaprompt(tools='tools.json')\n"
        "def test_refund(routine):\n    assert routine.run('do').tool_calls[0].name == 'refund'\n",
    )
    small.run().result.assert_outcomes(passed=1)


def test_a_tool_call_that_was_not_made_is_a_failure_and_no_error(small: Project) -> None:
    write_test(small, "def test_refund(routine):\n    assert routine.run('take 1').tool_calls[0].name == 'refund'\n")
    after = small.run()
    assert suite_of(after)["cases"][0]["outcome"] == "failed"
    assert "the reply has no tool call number 0; it calls: none" in after.text


def test_a_conversation_fills_the_template_of_a_chat_routine_once(small: Project) -> None:
    small.write(talk_dot_prompty="---\nname: talk\n---\nsystem:\nYou read numbers.\n\nuser:\nRead: {{input}}\n")
    write_test(
        small,
        "@pytest.mark.metaprompt('talk.prompty')\n"
        "def test_talk(routine):\n"
        "    chat = routine.chat()\n    chat.send('take 1')\n    assert chat.send('take 2').text == '2'\n",
    )
    small.run().result.assert_outcomes(passed=1)
    said = [message["content"] for message in small.asked("small")[-1]["messages"]]
    assert said == ["You read numbers.", "Read: take 1", "1", "take 2"]


def test_async_tests_ask_at_once_or_one_after_the_other(small: Project) -> None:
    write_test(
        small,
        """
import asyncio

@pytest.mark.anyio
async def test_at_once(routine):
    replies = await asyncio.gather(*[routine.arun(f"take {number}") for number in range(5)])
    assert [reply.text for reply in replies] == ["0", "1", "2", "3", "4"]

@pytest.mark.anyio
async def test_from_inside_a_loop(routine):
    assert routine.run("take 7").text == "7"
    assert (await routine.chat().asend("take 8")).text == "8"
""",
    )
    small.write(conftest_dot_py="import pytest\n\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n")
    after = small.run()
    after.result.assert_outcomes(passed=2)
    asked = suite_of(after)["cases"][0]["attempts"][0]["calls"]
    assert [call["text"] for call in asked] == ["0", "1", "2", "3", "4"]


def test_fixtures_of_the_user_stand_beside_ours_and_on_top_of_it(small: Project) -> None:
    write_test(
        small,
        """
@pytest.fixture(params=[3, 4])
def number(request):
    return request.param

@pytest.fixture
def answer(routine, number):
    return routine.run(f"take {number}").text

def test_it(answer, number, tmp_path, capsys):
    print("asked")
    assert answer == str(number)
    assert capsys.readouterr().out == "asked\\n"
""",
    )
    after = small.run()
    after.result.assert_outcomes(passed=2)
    assert [case["id"] for case in suite_of(after)["cases"]] == ["test_it[3]", "test_it[4]"]


@pytest.mark.parametrize(
    ("body", "outcome", "reason", "counts"),
    [
        ("pytest.fail('not polite')", "failed", "not polite", {"failed": 1}),
        ("raise KeyError('order')", "error", "KeyError: 'order' (", {"failed": 1}),
        ("pytest.skip('not today')", "skipped", None, {"skipped": 1}),
        ("pytest.xfail('known')", "skipped", None, {"xfailed": 1}),
    ],
)
def test_only_an_assertion_that_does_not_hold_is_a_failure(
    small: Project, body: str, outcome: str, reason: str | None, counts: dict[str, int]
) -> None:
    write_test(small, f"def test_it(routine):\n    routine.run('take 1')\n    {body}\n")
    after = small.run()
    after.result.assert_outcomes(**counts)
    case = suite_of(after)["cases"][0]
    assert case["outcome"] == outcome
    said = case["attempts"][0]["error"] or case["attempts"][0]["verdicts"][0]["reason"]
    assert (reason or "") in said
    assert suite_of(after)["accuracy"]["total"] == (outcome != "skipped")


def test_a_fixture_that_breaks_is_an_error(small: Project) -> None:
    write_test(
        small,
        "@pytest.fixture\ndef broken():\n    assert False, 'no database'\n\n"
        "def test_it(broken, routine):\n    routine.run('take 1')\n",
    )
    after = small.run()
    after.result.assert_outcomes(errors=1)
    case = suite_of(after)["cases"][0]
    assert case["outcome"] == "error"
    assert case["attempts"][0]["error"].startswith("setup: AssertionError: no database")


def test_a_provider_error_is_an_error_with_the_line_of_the_test_and_no_traceback_of_ours(small: Project) -> None:
    small.target = lambda body: Fault.status(400, "nothing for you")
    write_test(small, "def test_it(routine):\n    assert routine.run('take 1').text == '1'\n")
    after = small.run()
    after.result.assert_outcomes(errors=1)
    assert after.code == 1
    case = suite_of(after)["cases"][0]
    assert case["outcome"] == "error"
    assert "nothing for you" in case["attempts"][0]["error"]
    after.result.stdout.fnmatch_lines([">*assert routine.run('take 1').text == '1'", "E *nothing for you*"])
    assert "pytest_metaprompt/plugin" not in after.text


def test_an_error_that_the_test_swallows_does_not_make_a_failure_of_it(small: Project) -> None:
    small.target = lambda body: Fault.status(400, "nothing for you")
    write_test(
        small,
        """
def test_it(routine):
    try:
        text = routine.run('take 1').text
    except Exception:
        text = ""
    assert text == "1"
""",
    )
    assert suite_of(small.run())["cases"][0]["outcome"] == "error"


def test_the_sessions_caps_hold_for_tests(small: Project) -> None:
    write_test(
        small, "@pytest.mark.parametrize('n', range(3))\ndef test_it(routine, n):\n    routine.run(f'take {n}')\n"
    )
    after = small.run("--metaprompt-max-calls=2")
    after.result.assert_outcomes(passed=2, errors=1)
    assert "the budget of 2 calls is used up (raise --metaprompt-max-calls)" in after.text
    assert len(small.asked("small")) == 2


def test_a_test_is_run_as_often_as_it_says_and_passes_when_enough_runs_do(small: Project) -> None:
    answers = iter(["no", "1", "1", "no", "no", "1"])
    small.target = lambda body: next(answers)
    write_test(
        small,
        """
@pytest.mark.metaprompt(repeat=3, min_pass=2)
@pytest.mark.parametrize("name", ["first", "second"])
def test_it(routine, name, tmp_path):
    (tmp_path / "new").mkdir()
    print("said by", name)
    assert routine.run(f"{name}").text == "1"
""",
    )
    after = small.run()
    after.result.assert_outcomes(passed=1, failed=1)
    first, second = suite_of(after)["cases"]
    assert (first["outcome"], [one["verdicts"][0]["passed"] for one in first["attempts"]]) == (
        "passed",
        [False, True, True],
    )
    assert (second["outcome"], second["score"]) == ("failed", pytest.approx(1 / 3))
    assert "1 of 3 runs passed, 2 must; this is run 1" in after.text
    assert after.text.count("said by second") == 1
    assert len(small.asked("small")) == 6


def test_repeat_on_the_command_line_counts_for_tests_too(small: Project) -> None:
    write_test(small, "def test_it(routine):\n    assert routine.run('take 1').text == '1'\n")
    after = small.run("--metaprompt-repeat=3")
    after.result.assert_outcomes(passed=1)
    assert len(small.asked("small")) == 3


def test_module_fixtures_live_through_all_runs_and_are_torn_down_once(small: Project) -> None:
    write_test(
        small,
        """
@pytest.fixture(scope="module")
def shared():
    with open("log.txt", "a") as log: log.write("up ")
    yield
    with open("log.txt", "a") as log: log.write("down ")

@pytest.mark.metaprompt(repeat=3)
def test_it(routine, shared):
    with open("log.txt", "a") as log: log.write("run ")

def test_plain(shared):
    pass
""",
    )
    small.run().result.assert_outcomes(passed=2)
    assert (small.path / "log.txt").read_text() == "up run run run down "


def test_the_closest_marker_wins_setting_by_setting(small: Project) -> None:
    small.write(other_dot_md="Other.\n", third_dot_md="Third.\n")
    write_test(
        small,
        """
def test_module(routine):
    routine.run("a")

@pytest.mark.metaprompt("other.md")
class TestClass:
    def test_class(self, routine):
        routine.run("b")

    @pytest.mark.metaprompt("third.md", target={**TARGET, "model": "openai:tiny"})
    def test_closest(self, routine):
        routine.run("c")
""",
    )
    small.target = lambda body: "ok"
    after = small.run()
    after.result.assert_outcomes(passed=3)
    told = [(one["path"], one["routine"], one["target"]) for one in after.report["suites"]]
    assert told == [
        ("test_numbers.py", "routine.md", "openai:small"),
        ("test_numbers.py", "other.md", "openai:small"),
        ("test_numbers.py", "third.md", "openai:tiny"),
    ]


def test_a_routine_is_looked_for_beside_the_test_and_then_in_the_root_directory(small: Project) -> None:
    small.write(deep__beside_dot_md="Beside.\n")
    write_test(
        small,
        "def test_root(routine):\n    assert routine.name == 'routine.md'\n\n"
        "@pytest.mark.metaprompt('beside.md')\n"
        "def test_beside(routine):\n    assert (routine.name, routine.text) == ('deep/beside.md', 'Beside.\\n')\n",
        name="deep/test_numbers.py",
    )
    small.run().result.assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ("", "the test uses the routine fixture and has no metaprompt marker (add @pytest.mark.metaprompt("),
        ("@pytest.mark.metaprompt(target='echo:')", "it names no routine (write @pytest.mark.metaprompt("),
        (
            "@pytest.mark.metaprompt('routin.md', target='echo:')",
            "'routin.md' does not exist (did you mean 'routine.md'?)",
        ),
        ("@pytest.mark.metaprompt('a/b.md', target='echo:')", "'a/b.md' does not exist (looked in "),
        ("@pytest.mark.metaprompt('routine.md')", 'there is no target (add target="provider:name" to the marker'),
        ("@pytest.mark.metaprompt('routine.md', target='opnai:x')", "did you mean 'openai'?"),
        ("@pytest.mark.metaprompt('routine.md', taget='echo:')", "unknown key 'taget' (did you mean 'target'?"),
        (
            "@pytest.mark.metaprompt('routine.md', target='echo:', repeat='3')",
            "repeat must be a whole number of 1 or more",
        ),
        (
            "@pytest.mark.metaprompt('routine.md', target='echo:', repeat=2, min_pass=3)",
            "min_pass must be at most repeat",
        ),
        ("@pytest.mark.metaprompt('routine.md', target='echo:', repair=object())", "repair must be true or false"),
        ("@pytest.mark.metaprompt('routine.md', target='echo:', fix={'edits': ['system']})", "did you mean 'edit'?"),
        ("@pytest.mark.metaprompt('routine.md', 'echo:')", "one path at most"),
    ],
)
def test_a_marker_that_cannot_be_used_is_a_usage_error_that_says_what_to_type(
    small: Project, marker: str, message: str
) -> None:
    write_test(small, f"import pytest\n{marker}\ndef test_it(routine):\n    routine.run('hi')\n", head="")
    after = small.run()
    assert after.code == 4
    assert f"test_numbers.py:{2 if marker else 3}: " in after.text
    assert message in after.text
    assert "Traceback" not in after.text


def test_the_target_of_the_command_line_comes_before_the_markers(small: Project) -> None:
    write_test(small, "def test_it(routine):\n    assert routine.run('take 1').text == 'take 1'\n")
    after = small.run("--metaprompt-target=echo:")
    after.result.assert_outcomes(passed=1)
    assert suite_of(after)["target"] == "echo:"
    write_test(
        small,
        "import pytest\n@pytest.mark.metaprompt('routine.md')\n"
        "def test_it(routine):\n    assert routine.run('take 1').text == 'take 1'\n",
        head="",
    )
    small.run("--metaprompt-target=echo:").result.assert_outcomes(passed=1)


def test_the_users_own_agent_gets_the_routine(small: Project) -> None:
    small.write(
        app_dot_py="def agent(messages, routine):\n"
        "    return f'{routine} / {messages[0][\"content\"]} / {len(messages)}'\n"
    )
    write_test(
        small,
        "import pytest\n@pytest.mark.metaprompt('routine.md', target='python:app:agent')\n"
        "def test_it(routine):\n"
        "    assert routine.run('hi').text == 'You read numbers. / You read numbers. / 2'\n",
        head="",
    )
    small.run().result.assert_outcomes(passed=1)


def test_a_session_with_a_routine_fixture_of_its_own_is_none_of_our_business(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("import pytest\n@pytest.fixture\ndef routine():\n    return 'mine'\n")
    pytester.makepyfile(
        """
        import sys
        def test_light(routine):
            assert routine == "mine"
            assert not {"openai", "yaml", "asyncio"} & set(sys.modules)
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:anyio", "--strict-markers")
    result.assert_outcomes(passed=1)
    assert "metaprompt" not in "\n".join(result.outlines[4:])


def test_the_marker_is_known_and_shown(small: Project) -> None:
    write_test(small, "def test_it(routine):\n    routine.run('take 1')\n")
    small.run("--strict-markers").result.assert_outcomes(passed=1)
    small.run("--markers").result.stdout.fnmatch_lines(["@pytest.mark.metaprompt(path, ?, target*"])


def test_selections_and_lists_work_as_for_any_test(small: Project) -> None:
    write_test(small, "@pytest.mark.parametrize('n', [1, 2])\ndef test_it(routine, n):\n    routine.run(f'take {n}')\n")
    after = small.run("-k", "test_it and 2")
    assert [case["id"] for case in suite_of(after)["cases"]] == ["test_it[2]"]
    assert small.run("--collect-only", "-q").report["suites"] == []
    assert len(small.asked("small")) == 1


def test_tests_and_a_suite_file_that_share_a_question_share_its_call(small: Project) -> None:
    small.suite(
        "routine: routine.md\ntarget: {model: openai:small, base_url: BASE}\ncases:\n"
        "  - {id: one, input: take 1, expect: '1'}\n"
    )
    write_test(small, "def test_it(routine):\n    assert routine.run('take 1').text == '1'\n")
    after = small.run()
    after.result.assert_outcomes(passed=2)
    assert len(small.asked("small")) == 1
    assert [suite["path"] for suite in after.report["suites"]] == ["orders.metaprompt.yaml", "test_numbers.py"]


def test_helpers_are_asserted_in_words_even_without_rewriting(small: Project) -> None:
    small.write(helpers_dot_py="def check(reply):\n    assert reply.text == 'other'\n")
    write_test(small, "import helpers\n\ndef test_it(routine):\n    helpers.check(routine.run('take 1'))\n")
    reason = suite_of(small.run())["cases"][0]["attempts"][0]["verdicts"][0]["reason"]
    assert reason == "AssertionError: assert reply.text == 'other'"


def test_what_the_marker_of_a_module_gets_wrong_is_told_once(small: Project) -> None:
    write_test(
        small,
        "import pytest\npytestmark = pytest.mark.metaprompt('routine.md', target='ecko:')\n"
        "@pytest.mark.parametrize('n', range(9))\ndef test_it(routine, n):\n    routine.run('hi')\n",
        head="",
    )
    after = small.run()
    assert after.code == 4
    assert after.text.count("unknown provider 'ecko'") == 1


def test_under_xdist_the_workers_ask(small: Project) -> None:
    write_test(
        small, "@pytest.mark.parametrize('n', range(4))\ndef test_it(routine, n):\n    routine.run(f'take {n}')\n"
    )
    result = small.pytester.runpytest_subprocess("-n", "2", "-p", "no:hypothesispytest")
    result.assert_outcomes(passed=4)
    assert sorted(body["messages"][-1]["content"] for body in small.asked("small")) == [f"take {n}" for n in range(4)]


@pytest.mark.parametrize(
    ("check", "outcome", "said"),
    [
        ("routine.run('take 1').check('regex', '[0-9]')", "passed", "the test passed"),
        ("assert routine.run('take 1').check('not-contains', '2').score == 1", "passed", "the test passed"),
        ("routine.run('take 1').check('equals', '2')", "failed", "WrongReplyError: equals: "),
        ("routine.run('take 1').check('json', 1.2, tolerance=0.5)", "passed", "the test passed"),
        ("routine.run('take 1').check('contians', '1')", "error", "did you mean 'contains'?"),
        ("routine.run('take 1').check('python', 'no_such_name')", "error", "no_such_name"),
    ],
)
def test_the_assertions_of_suite_files_can_be_held_against_a_reply(
    small: Project, check: str, outcome: str, said: str
) -> None:
    write_test(small, f"def test_it(routine):\n    {check}\n")
    case = suite_of(small.run())["cases"][0]
    attempt = case["attempts"][0]
    assert case["outcome"] == outcome
    assert said in (attempt["error"] or attempt["verdicts"][0]["reason"])


def test_async_tests_check_replies_too(small: Project) -> None:
    write_test(
        small,
        "@pytest.mark.anyio\n@pytest.mark.parametrize('anyio_backend', ['asyncio'])\n"
        "async def test_it(routine, anyio_backend):\n"
        "    await (await routine.arun('take 1')).acheck('equals', '1')\n"
        "    await (await routine.arun('take 1')).acheck('equals', '2')\n",
    )
    after = small.run()
    after.result.assert_outcomes(failed=1)
    assert "equals: " in suite_of(after)["cases"][0]["attempts"][0]["verdicts"][0]["reason"]


def test_tests_of_an_unchanged_routine_can_be_left_out(small: Project) -> None:
    def git(*args: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *identity, *args], cwd=small.path, check=True, capture_output=True)

    small.write(other_dot_md="Other.\n")
    write_test(
        small,
        "def test_one(routine):\n    routine.run('take 1')\n\n"
        "@pytest.mark.metaprompt('other.md')\ndef test_other(routine):\n    routine.run('take 2')\n\n"
        "def test_plain():\n    pass\n",
    )
    git("init")
    git("add", ".")
    git("commit", "-m", "one")
    small.write(other_dot_md="Other, and new.\n")
    small.run("--metaprompt-changed").result.assert_outcomes(passed=2, deselected=1)
    assert [body["messages"][-1]["content"] for body in small.asked("small")] == ["take 2"]
