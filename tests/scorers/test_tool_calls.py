"""Several calls, their names, and whether they are valid."""

import pytest

from pytest_metaprompt.errors import ScorerError

from .asking import assertion, attempt, call, judge, refusal, verdict

ROME, OSLO = call("weather", {"city": "Rome"}), call("weather", {"city": "Oslo"})
BOOK = call("book", {"city": "Rome", "nights": 2})


def weather(city):
    return {"name": "weather", "arguments": {"city": city}}


def test_the_calls_are_these_in_this_order():
    assert judge("tool-calls", [weather("Rome"), "book"], calls=[ROME, BOOK]).passed
    assert not judge("tool-calls", ["book", weather("Rome")], calls=[ROME, BOOK]).passed


def test_in_any_order_each_expected_call_gets_its_own():
    value = [weather("Oslo"), "book", weather("Rome")]
    assert judge("tool-calls", value, calls=[ROME, BOOK, OSLO], ignore_order=True).passed
    assert judge("tool-calls", ["weather", weather("Rome")], calls=[ROME, OSLO], ignore_order=True).passed


@pytest.mark.parametrize(
    ("value", "calls", "score", "reason"),
    [
        ([weather("Rome")], [OSLO], 0.5, 'weather: city: expected "Rome", got "Oslo"'),
        ([weather("Rome"), "book"], [ROME], 0.5, "a call of 'book' is missing"),
        ([weather("Rome")], [ROME, BOOK], 0.5, "a call of 'book' is not expected"),
        (["book"], [ROME], 0, "expected a call of 'book', got one of 'weather'"),
        ([], [ROME], 0, "a call of 'weather' is not expected"),
        (["book"], [], 0, "a call of 'book' is missing"),
    ],
)
def test_what_differs_is_named_and_the_rest_is_credited(value, calls, score, reason):
    found = judge("tool-calls", value, calls=calls)
    assert (found.passed, found.score, found.reason) == (False, score, reason)


def test_in_any_order_a_wrong_argument_is_held_against_the_call_of_that_name():
    found = judge("tool-calls", [weather("Bonn"), "book"], calls=[BOOK, ROME], ignore_order=True)
    assert (found.score, found.reason) == (0.75, 'weather: city: expected "Bonn", got "Rome"')


def test_no_calls_can_be_asked_for():
    assert judge("tool-calls", [], "hello").passed


def test_modes_are_those_of_tool_call():
    value = [{"name": "book", "arguments": {"city": ["Rome", "Roma"], "nights": [2]}}]
    assert judge("tool-calls", value, calls=[BOOK], mode="one-of").passed
    assert judge("tool-calls", [{"name": "book", "arguments": {"nights": 2}}], calls=[BOOK], mode="partial").passed


@pytest.mark.parametrize("value", [None, "book", {"name": "book"}, [3], [{"arguments": {}}]])
def test_a_value_that_is_no_list_of_calls_is_refused(value):
    assert "tool-calls: value" in refusal("tool-calls", value)


def test_f1_compares_names_each_counted_once():
    found = judge("tool-call-f1", ["weather", "book", "pay"], calls=[ROME, OSLO, BOOK], threshold=0.8)
    assert found.score == pytest.approx(0.8)
    assert found.passed
    assert found.reason == "F1 is 0.8, at least 0.8: expected book, pay, weather, called book, weather"
    assert not judge("tool-call-f1", "weather", "no calls").passed


@pytest.mark.parametrize(
    "text",
    [
        '{"tool_calls": [{"function": {"name": "a"}}]}',
        '{"type": "tool_use", "name": "a"}',
        '[{"functionCall": {"name": "a"}}]',
        '{"toolCall": {"functionCalls": [{"name": "a"}]}}',
        '{"type": "function_call", "name": "a"}',
    ],
)
def test_f1_knows_the_forms_of_providers(text):
    assert judge("tool-call-f1", "a", text).passed


TOOLS = {
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "book",
                "parameters": {"type": "object", "required": ["city"], "properties": {"nights": {"type": "integer"}}},
            },
        }
    ]
}


@pytest.mark.parametrize(
    ("calls", "reason"),
    [
        ([BOOK], "the reply makes valid a call of 'book'"),
        ([ROME], "there is no tool 'weather', but book"),
        ([call("book", {"nights": 2})], "book: 'city' is a required property"),
        ([call("book", {"city": "R", "nights": "2"})], "book: nights: '2' is not of type 'integer'"),
        ([call("book", None, "{")], "book: the arguments are not a JSON object: '{'"),
        ([], "expected a tool call, got the text 'hello'"),
    ],
)
def test_calls_are_checked_against_the_tools_of_the_target(calls, reason):
    found = verdict(assertion("is-valid-openai-tools-call"), attempt("hello", calls=calls, params=TOOLS))
    assert found.reason == reason
    assert found.passed is (calls == [BOOK])


def test_not_is_not_ignored_as_promptfoo_does():
    assert verdict(assertion("not-is-valid-function-call"), attempt(calls=[ROME], params=TOOLS)).passed
    assert not verdict(assertion("not-is-valid-function-call"), attempt(calls=[BOOK], params=TOOLS)).passed


def test_functions_are_the_older_form_of_tools():
    params = {"functions": [{"name": "book", "parameters": {"type": "object", "required": ["when"]}}]}
    found = verdict(assertion("is-valid-openai-function-call"), attempt(calls=[BOOK], params=params))
    assert found.reason == "book: 'when' is a required property"


def test_a_target_without_tools_or_with_broken_ones_is_an_error():
    wanted = assertion("not-is-valid-openai-tools-call")
    with pytest.raises(ScorerError, match="the target has no tools"):
        verdict(wanted, attempt(calls=[BOOK]))
    broken = {"tools": [{"function": {"name": "book", "parameters": {"type": "nonsense"}}}]}
    with pytest.raises(ScorerError, match="parameters of the tool 'book'"):
        verdict(wanted, attempt(calls=[BOOK], params=broken))
