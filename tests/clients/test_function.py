import asyncio
import itertools
import sys
import textwrap
import threading

import pytest

from pytest_metaprompt.clients.function import FunctionClient
from pytest_metaprompt.errors import ModelCallError, SetupError
from pytest_metaprompt.results import ToolCall, Usage
from pytest_metaprompt.suites import ModelSpec
from tests.clients.asking import ask, request

NUMBERS = itertools.count()


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes an app in a module of its own, and gives its name."""
    monkeypatch.setattr(sys, "path", sys.path[:])

    def write_app(code):
        name = f"users_app_{next(NUMBERS)}"
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(code))
        return name

    return write_app


@pytest.fixture
def open_app(write, tmp_path):
    def opened(code, function="answer"):
        return FunctionClient(ModelSpec("python", f"{write(code)}:{function}"), root=tmp_path)

    return opened


def failure(client, asked=None):
    with pytest.raises(ModelCallError) as caught:
        ask(client, asked or request())
    return str(caught.value)


def test_a_function_gets_the_messages_and_gives_the_text(open_app):
    client = open_app("def answer(messages): return messages[-1]['role'] + ':' + messages[-1]['content']")
    reply = ask(client, request("hello"))
    assert reply.text == "user:hello"
    assert reply.latency_s > 0


def test_an_async_function_runs_in_the_event_loop(open_app):
    client = open_app(
        """
        import asyncio, threading
        async def answer(messages):
            await asyncio.sleep(0)
            return threading.current_thread().name
        """
    )
    assert ask(client).text == threading.current_thread().name


@pytest.mark.parametrize("signature", ["messages, params", "messages, *, params=None", "messages, **others"])
def test_params_are_given_to_a_function_that_takes_them(open_app, signature):
    takes = "others['params']" if "others" in signature else "params"
    client = open_app(f"def answer({signature}): return str({takes})")
    assert ask(client, request(params={"seed": 3, "timeout_s": 60})).text == "{'seed': 3}"


def test_sync_functions_run_side_by_side(open_app):
    client = open_app(
        """
        import threading
        meeting = threading.Barrier(40, timeout=30)
        def answer(messages):
            meeting.wait()
            return messages[-1]["content"]
        """
    )
    replies = ask(client, *(request(str(number)) for number in range(40)))
    assert [reply.text for reply in replies] == [str(number) for number in range(40)]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (
            "class Bot:\n    async def __call__(self, messages): return 'an async object'\nanswer = Bot()",
            "an async object",
        ),
        ("class Bot:\n    def __call__(self, messages): return 'an object'\nanswer = Bot()", "an object"),
        ("async def inner(messages): return 'awaited'\ndef answer(messages): return inner(messages)", "awaited"),
        ("import functools\nasync def f(a, messages): return a\nanswer = functools.partial(f, 'partial')", "partial"),
    ],
)
def test_anything_that_can_be_called_will_do(open_app, code, text):
    assert ask(open_app(code)).text == text


@pytest.mark.parametrize("key", ["text", "content"])
def test_a_dict_may_hold_tool_calls_and_usage(open_app, key):
    client = open_app(
        f"""
        def answer(messages):
            return {{"{key}": "done", "tool_calls": [{{"name": "refund", "arguments": {{"order": "ORD-1"}}}}],
                    "usage": {{"input_tokens": 3, "output_tokens": 4}}, "finish_reason": "tool_calls"}}
        """
    )
    reply = ask(client)
    assert (reply.text, reply.usage, reply.finish_reason) == ("done", Usage(3, 4), "tool_calls")
    assert reply.tool_calls == (ToolCall("refund", {"order": "ORD-1"}, '{"order": "ORD-1"}'),)


def test_a_chat_completion_may_be_returned_as_it_is(open_app):
    client = open_app("def answer(messages): return {'choices': [{'message': {'content': 'hi'}}]}")
    assert ask(client).text == "hi"


def test_a_completion_of_the_openai_sdk_may_be_returned_as_it_is(open_app):
    client = open_app(
        """
        from openai.types.chat import ChatCompletion
        from pytest_metaprompt.testing import completion
        def answer(messages):
            return ChatCompletion.model_validate({**completion("hi"), "created": 0, "model": "m"})
        """
    )
    assert ask(client).text == "hi"


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ("None", "returned NoneType, not a text or a dict"),
        ("3", "returned int, not a text or a dict"),
        ("{'answer': 'hi'}", "returned a dict without text, content or tool_calls: ['answer']"),
        ("{'text': 3}", "returned a text that is int, not str"),
        ("{'choices': []}", "the reply has no choices"),
        ("{'tool_calls': [{}]}", "a tool call has no name"),
    ],
)
def test_what_is_no_reply_is_told(open_app, returned, said):
    client = open_app(f"def answer(messages): return {returned}")
    assert said in failure(client)


@pytest.mark.parametrize("form", ["def", "async def"])
def test_what_the_users_code_raises_is_told_with_its_place(open_app, tmp_path, form):
    client = open_app(f"{form} answer(messages):\n    return messages[7]\n")
    said = failure(client)
    assert "raised IndexError: list index out of range" in said
    assert said.endswith(":2)")
    assert f"({tmp_path}" in said


def test_the_place_is_in_the_users_code_even_when_a_library_raised(open_app, tmp_path):
    client = open_app("import json\ndef answer(messages):\n    return json.loads('{')\n")
    assert failure(client).endswith(".py:3)")


def test_an_app_that_exits_does_not_end_the_run(open_app):
    assert "raised SystemExit: 2" in failure(open_app("import sys\ndef answer(messages): sys.exit(2)"))


def test_a_timeout_inside_the_app_is_not_taken_for_ours(open_app):
    client = open_app("def answer(messages): raise TimeoutError('the shop is slow')")
    assert "raised TimeoutError: the shop is slow" in failure(client, request(params={"timeout_s": 60}))


def test_an_app_that_runs_out_of_an_iterator_is_told(open_app):
    assert "raised StopIteration" in failure(open_app("def answer(messages): return next(iter([]))"))


@pytest.mark.parametrize(
    "code",
    [
        "import threading\ndef answer(messages): threading.Event().wait()",
        "import asyncio\nasync def answer(messages): await asyncio.Event().wait()",
    ],
)
def test_an_app_that_hangs_is_left_after_the_limit(open_app, code):
    assert failure(open_app(code), request(params={"timeout_s": 0.05})).endswith("timed out after 0.05 s")


def test_context_variables_reach_the_thread(open_app):
    client = open_app(
        """
        import contextvars
        tenant = contextvars.ContextVar("tenant", default="nobody")
        def answer(messages): return tenant.get()
        """
    )
    tenant = sys.modules[client._function.__module__].tenant

    async def ask_as_acme():
        tenant.set("acme")
        return await client.ask(request())

    assert asyncio.run(ask_as_acme()).text == "acme"


# Finding it


def missing(root, name):
    with pytest.raises(SetupError) as caught:
        FunctionClient(ModelSpec("python", name), root=root)
    return str(caught.value)


def test_a_missing_module_says_what_was_looked_for_and_where(tmp_path):
    said = missing(tmp_path, "no_such_app:answer")
    assert "python:no_such_app:answer: cannot import 'no_such_app': ModuleNotFoundError" in said
    assert f"looked in {tmp_path}, then along sys.path" in said


def test_a_missing_function_says_which_there_are(write, tmp_path):
    name = write("def answer(messages): ...\ndef other(messages): ...")
    assert "has no 'anwser' (did you mean 'answer'? known: answer, other)" in missing(tmp_path, f"{name}:anwser")


def test_a_name_that_is_no_function_says_what_it_is(write, tmp_path):
    name = write("answer = 42")
    assert "'answer' in" in (said := missing(tmp_path, f"{name}:answer"))
    assert "is not callable, but int" in said


def test_an_app_that_fails_to_import_is_told_with_its_place(write, tmp_path):
    name = write("\nraise RuntimeError('no database')")
    assert f"RuntimeError: no database ({tmp_path / name}.py:2)" in missing(tmp_path, f"{name}:answer")


def test_a_module_of_the_same_name_from_elsewhere_is_not_tested_by_mistake(tmp_path):
    (tmp_path / "textwrap.py").write_text("def answer(messages): return 'hi'")
    assert "another module 'textwrap' is already loaded, from" in missing(tmp_path, "textwrap:answer")


# The routine's text


def test_a_function_with_a_routine_parameter_gets_the_system_text(open_app):
    client = open_app("def answer(messages, *, routine): return routine")
    assert ask(client, request(system="Be brief.")).text == "Be brief."


def test_a_function_that_takes_anything_is_not_given_a_routine(open_app):
    client = open_app("def answer(messages, **more): return str(sorted(more))")
    assert ask(client, request(system="Be brief.")).text == "['params']"
