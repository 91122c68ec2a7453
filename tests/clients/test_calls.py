import pytest

from pytest_metaprompt.clients.calls import one_line, sent_messages, sent_params, time_limit
from pytest_metaprompt.errors import SetupError
from pytest_metaprompt.results import Request
from pytest_metaprompt.suites import Message, ModelSpec
from tests.clients.asking import request

MODEL = ModelSpec("openai", "m", {"temperature": 0, "seed": 1, "timeout_s": 5})


def test_the_parameters_of_a_request_override_those_of_its_model():
    assert sent_params(request(model=MODEL, params={"seed": 2, "stop": ["."]})) == {
        "temperature": 0,
        "seed": 2,
        "stop": ["."],
    }


def test_messages_are_written_with_what_their_role_adds():
    message = Message("tool", "42", {"tool_call_id": "a"})
    assert sent_messages(Request(MODEL, (message,))) == [{"role": "tool", "content": "42", "tool_call_id": "a"}]


def test_the_time_limit_is_the_requests_or_the_models_or_the_default():
    assert time_limit(request(model=MODEL, params={"timeout_s": 7}), default=120) == 7
    assert time_limit(request(model=MODEL), default=120) == 5
    assert time_limit(request(), default=120) == 120
    assert time_limit(request(), default=None) is None


@pytest.mark.parametrize("limit", ["soon", 0, -1, True, [5], float("nan")])
def test_a_time_limit_that_is_no_positive_number_is_refused(limit):
    with pytest.raises(SetupError, match="timeout_s must be a positive number of seconds, not"):
        time_limit(request(params={"timeout_s": limit}), default=120)


def test_a_long_text_is_shown_by_its_first_two_hundred_characters_in_one_line():
    assert one_line("a\n  b") == "a b"
    assert one_line("x" * 500) == "x" * 199 + "…"
