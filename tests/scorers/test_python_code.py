import sys
import threading

import pytest

from pytest_metaprompt.errors import MetapromptError, ScorerError
from pytest_metaprompt.scorers import open_scorer

from .asking import HERE, NOWHERE, assertion, attempt, call, judge, refusal, user, verdict

CHECKS = """
import json
from dataclasses import dataclass

@dataclass
class Order:
    number: "str"

def get_assert(output, context):
    return Order(output).number == context["vars"]["order"]

def short(output, context):
    return {"pass_": len(output) < 5, "score": 0.5, "reason": "length"}

async def later(output, context):
    return True

def broken(output, context):
    order = json.loads(output)
    return order["missing"]

not_a_function = 3
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "checks.py").write_text(CHECKS, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("code", "text", "passed"),
    [
        ("len(output) < 5", "abc", True),
        ("len(output) < 5", "abcdef", False),
        ("  'a' in output  \n", "abc", True),
        ("json.loads(output)['a'] == 1", '{"a": 1}', True),
        ("bool(re.search('b+', output))", "abbb", True),
        ("all(word in output for word in ['a', 'b'])", "ab", True),
        ("data = json.loads(output)\nreturn data['a'] == 1", '{"a": 2}', False),
        ("def f(x: int):\n    pass\nreturn f.__annotations__['x'] is int", "a", True),
        ("def f(x):\n    return x\nreturn f(output) == 'a'", "a", True),
        ("\n  text = '''x\n  y'''\n  return output == 'a'\n", "a", True),
    ],
)
def test_one_line_is_an_expression_and_several_are_a_body(code, text, passed):
    assert judge("python", code, text).passed is passed


def test_the_reason_shows_the_expression():
    assert judge("python", "len(output) < 5", "abcdef").reason == "'len(output) < 5' is false"


def test_the_context_holds_vars_prompt_and_tool_calls():
    code = (
        "context == {'vars': {'a': [1]}, 'prompt': [{'role': 'user', 'content': 'hi'}], 'tool_calls': "
        "[{'name': 'book', 'arguments': {'n': 1}, 'raw_arguments': '{}', 'id': None}]}"
    )
    tried = attempt("x", calls=[call("book", {"n": 1})], variables={"a": (1,)}, messages=[user("hi")])
    assert verdict(assertion("python", code), tried).passed


def test_the_code_cannot_change_the_case():
    tried = attempt("x", variables={"a": [1]})
    verdict(assertion("python", "context['vars']['a'].append(2)\nreturn True"), tried)
    assert tried.case.vars == {"a": [1]}


def test_nothing_is_left_over_from_one_attempt_to_the_next():
    code = "seen = 'seen' in locals() or 'seen' in globals()\nreturn not seen"
    assert judge("python", code).passed
    assert judge("python", code).passed


def test_the_code_runs_in_another_thread():
    here = threading.get_ident()
    assert judge("python", f"import threading\nreturn threading.get_ident() != {here}").passed


@pytest.mark.parametrize("type_", ["python", "not-python"])
@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero, in line 1"),
        ("x = 1\nreturn missing", "NameError: name 'missing' is not defined, in line 2"),
        ("import sys\nsys.exit(3)\nreturn True", "SystemExit: 3, in line 2"),
        ("import pytest\npytest.fail('no')\nreturn True", "Failed: no, in line 2"),
        ("assert output\nreturn True", "AssertionError, in line 1"),
        ("json.loads(output)", "JSONDecodeError: .*, in line 1"),
        ("def f(n):\n    return f(n + 1)\nreturn f(0)", "RecursionError: .*, in line 2"),
        ("next(iter(()))", "StopIteration, in line 1"),
        ("None", "returned nothing"),
        ("'true'", "expected a truth value, a number or a mapping with 'pass', got 'true'"),
        ("{'score': 1}", "the result has no 'pass'"),
        ("float('nan')", "NaN"),
    ],
)
def test_code_that_breaks_is_an_error_under_both_signs(type_, code, message):
    with pytest.raises(ScorerError, match=f"{type_}: .*{message}") as caught:
        judge(type_, code)
    assert caught.value.where == HERE


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (None, "value must be Python code"),
        ("  \n", "value must be Python code"),
        (True, "value must be Python code"),
        ("return 1", "invalid syntax, in line 1 (one line is an expression; write several lines"),
        ("a = 1\nb = = 2\nreturn a", "invalid syntax, in line 2"),
        ("a = 1\na == 1", "this one never returns a value"),
        ("def f():\n    return 1\nf()", "this one never returns a value"),
        ("a = 1\nreturn a\nbreak", "'break' outside loop, in line 3"),
        ("output == 'a\0b'", "null bytes"),
    ],
)
def test_code_that_cannot_be_compiled_is_refused(code, message):
    assert message in refusal("python", code)


def test_a_threshold_that_is_no_number_is_refused():
    assert "threshold must be a finite number" in refusal("python", "1", threshold=float("nan"))


def test_a_file_is_relative_to_the_base_and_get_assert_is_the_default(folder):
    tried = attempt("ORD-1", variables={"order": "ORD-1"})
    assert verdict(assertion("python", "file://checks.py"), tried, base=folder).passed
    assert verdict(assertion("python", f"file://{folder}/checks.py"), tried, base=NOWHERE).passed


def test_a_function_of_the_file_can_be_named(folder):
    result = judge("python", "file://checks.py:short", "abcdef", base=folder)
    assert (result.passed, result.score, result.reason) == (False, 0.5, "length")


def test_an_async_function_is_awaited(folder):
    assert judge("python", "file://checks.py:later", base=folder).passed


def test_an_error_in_a_file_names_its_line(folder):
    with pytest.raises(ScorerError, match="KeyError: 'missing', in line 20"):
        judge("python", "file://checks.py:broken", "{}", base=folder)


def test_an_error_below_the_file_names_the_line_that_led_there(folder):
    with pytest.raises(ScorerError, match=r"JSONDecodeError: .*, in line 19"):
        judge("python", "file://checks.py:broken", "{", base=folder)


def test_a_file_may_import_its_neighbours_and_leaves_no_trace(folder):
    (folder / "metaprompt_neighbour.py").write_text("LIMIT = 3", encoding="utf-8")
    (folder / "uses.py").write_text(
        "from metaprompt_neighbour import LIMIT\ndef get_assert(output, context): return len(output) < LIMIT",
        encoding="utf-8",
    )
    before = list(sys.path)
    assert judge("python", "file://uses.py", "a", base=folder).passed
    assert sys.path == before
    del sys.modules["metaprompt_neighbour"]


def test_a_file_is_loaded_once_for_many_cases_and_anew_when_edited(folder):
    (folder / "count.py").write_text("loads = [1]\ndef get_assert(o, c):\n    loads.append(1)\n    return len(loads)")
    assert judge("python", "file://count.py", threshold=2, base=folder).passed
    assert judge("python", "file://count.py", threshold=3, base=folder).passed
    (folder / "count.py").write_text("def get_assert(o, c): return False")
    assert not judge("python", "file://count.py", base=folder).passed


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("file://missing.py", "cannot read .*missing.py: No such file"),
        ("file://checks.py:nothing", "checks.py has no function 'nothing'"),
        ("file://checks.py:not_a_function", "has no function 'not_a_function'"),
        ("file://checks.js", "does not name a Python file"),
        ("file://wrong.py", "wrong.py cannot be loaded: .*, in line 2"),
        ("file://raises.py", "raises.py cannot be loaded: ValueError: no, in line 2"),
        ("file://exits.py", "exits.py cannot be loaded: SystemExit: 1, in line 2"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_when_opened(folder, value, message):
    (folder / "wrong.py").write_text("a = 1\ndef f(:\n")
    (folder / "raises.py").write_text("a = 1\nraise ValueError('no')\n")
    (folder / "exits.py").write_text("import sys\nsys.exit(1)\n")
    with pytest.raises(MetapromptError, match=message) as caught:
        open_scorer(assertion("python", value), base=folder)
    assert caught.value.where == HERE
