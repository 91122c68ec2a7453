import pytest

from .asking import call, judge, refusal

BOOKED = call("book", {"city": "Rome", "nights": 2, "guest": {"name": "Ann", "vip": True}}, "{...}")


@pytest.mark.parametrize("value", ["book", {"name": "book"}, {"name": "book", "arguments": None}])
def test_the_name_alone_accepts_any_arguments(value):
    assert judge("tool-call", value, calls=[BOOKED]).passed


def test_other_calls_beside_the_expected_one_do_no_harm():
    assert judge("tool-call", "book", "One moment.", calls=[call("look_up"), BOOKED, BOOKED]).passed


def test_arguments_are_compared_by_value():
    arguments = {"nights": 2.0, "city": "Rome", "guest": {"vip": True, "name": "Ann"}}
    assert judge("tool-call", {"name": "book", "arguments": arguments}, calls=[BOOKED]).passed


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"nights": 3}, "book: nights: expected 3, got 2"),
        ({"nights": "2"}, 'book: nights: expected "2", got 2'),
        ({"guest": {"name": "Ann", "vip": 1}}, "book: guest.vip: expected 1, got true"),
        ({"room": 7}, "book: room: missing"),
        ({"guest": {"name": "Ann"}}, "book: guest.vip: not expected"),
    ],
)
def test_the_argument_that_differs_is_named(changed, reason):
    arguments = {**BOOKED.arguments, **changed}
    verdict = judge("tool-call", {"name": "book", "arguments": arguments}, calls=[BOOKED])
    assert not verdict.passed
    assert verdict.reason == reason
    assert verdict.score == 0.5


@pytest.mark.parametrize(
    ("name", "arguments", "parts"),
    [
        ("book", {"city": "Rome", "nights": 2}, [("name", True, 1.0, ""), ("arguments", True, 1.0, "")]),
        ("book", {"city": "Rome", "nights": 3}, [
            ("name", True, 1.0, ""), ("arguments", False, 0.5, "nights: expected 3, got 2")]),
        ("find", {"city": "Rome", "nights": 2}, [("name", False, 0.0, ""), ("arguments", False, 0.0, "")]),
    ],
)  # fmt: skip
def test_name_and_arguments_have_a_verdict_each(name, arguments, parts):
    value = {"name": name, "arguments": arguments}
    verdict = judge("tool-call", value, calls=[BOOKED], mode="partial")
    assert [(part.type, part.passed, part.score, part.reason) for part in verdict.children] == parts
    assert [part.metric for part in verdict.children] == ["tool-call name", "tool-call arguments"]
    assert judge("tool-call", name, calls=[BOOKED]).children == ()


def test_partial_arguments_leave_out_what_is_not_mentioned_at_any_depth():
    value = {"name": "book", "arguments": {"guest": {"name": "Ann"}}}
    assert judge("tool-call", value, calls=[BOOKED], mode="partial").passed
    assert not judge("tool-call", value, calls=[BOOKED], mode="exact").passed
    assert not judge("tool-call", value, calls=[BOOKED]).passed


def test_partial_arguments_reach_into_lists_of_the_same_length():
    listed = call("order", {"lines": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}]})
    two = {"name": "order", "arguments": {"lines": [{"sku": "a"}, {"sku": "b"}]}}
    one = {"name": "order", "arguments": {"lines": [{"sku": "a"}]}}
    assert judge("tool-call", two, calls=[listed], mode="partial").passed
    assert not judge("tool-call", one, calls=[listed], mode="partial").passed


def test_no_arguments_expected_means_none_given():
    value = {"name": "book", "arguments": {}}
    assert judge("tool-call", value, calls=[call("book", {})]).passed
    assert not judge("tool-call", value, calls=[BOOKED]).passed


def test_another_name_is_named():
    assert judge("tool-call", "cancel", calls=[BOOKED]).reason == "expected a call of 'cancel', got a call of 'book'"
    assert "got calls of 'book', 'look_up'" in judge("tool-call", "cancel", calls=[BOOKED, call("look_up")]).reason


def test_another_name_scores_nothing_and_the_right_call_everything():
    assert judge("tool-call", "cancel", calls=[BOOKED]).score == 0
    assert judge("tool-call", "book", calls=[BOOKED]).score == 1


def test_ignored_arguments_may_differ_or_be_absent():
    value = {"name": "book", "arguments": {"city": "Rome", "nights": 9, "guest": {"name": "Ann"}}}
    assert judge("tool-call", value, calls=[BOOKED], ignore_paths=["nights", "guest.vip"]).passed
    assert judge("tool-call", value, calls=[BOOKED], ignore_paths=["nights"]).reason == "book: guest.vip: not expected"


def test_numbers_may_differ_by_the_tolerance_and_lists_in_their_order():
    asked = call("pay", {"amount": 10.04, "to": ["a", "b"]})
    value = {"name": "pay", "arguments": {"amount": 10, "to": ["b", "a"]}}
    assert judge("tool-call", value, calls=[asked], tolerance=0.05, ignore_order=True).passed
    assert "amount: expected 10, got 10.04" in judge("tool-call", value, calls=[asked], ignore_order=True).reason


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"unit": "celsius", "city": "Rome"}, None),
        ({"unit": "C", "city": "Rome, Italy"}, None),
        ({"unit": "K", "city": "Rome"}, 'weather: unit: expected one of ["C", "celsius"], got "K"'),
        ({"unit": "C"}, "weather: city: missing"),
        ({"unit": "C", "city": "Rome", "days": 3}, None),
        ({"unit": "C", "city": "Rome", "days": 4}, 'weather: days: expected one of ["", 3.0], got 4'),
        ({"unit": "C", "city": "Rome", "hour": 1}, "weather: hour: not expected"),
    ],
)
def test_one_of_lists_the_accepted_values_of_each_argument(arguments, reason):
    accepted = {"unit": ["C", "celsius"], "city": ["Rome", "Rome, Italy"], "days": ["", 3.0]}
    value = {"name": "weather", "arguments": accepted}
    verdict = judge("tool-call", value, calls=[call("weather", arguments)], mode="one-of")
    assert verdict.passed is (reason is None)
    assert reason is None or verdict.reason == reason


def test_one_of_needs_a_list_for_each_argument():
    value = {"name": "weather", "arguments": {"unit": "C"}}
    assert "with mode: one-of, unit must be a list" in refusal("tool-call", value, mode="one-of")
    value = {"name": "weather", "arguments": {"unit": []}}
    assert "with mode: one-of, unit must be a list" in refusal("tool-call", value, mode="one-of")


def test_a_reply_without_calls_shows_its_text_shortened():
    reason = judge("tool-call", "book", "I am sorry. " * 100).reason
    assert reason.startswith("expected a call of 'book', got no tool call but the text 'I am sorry. ")
    assert len(reason) < 250


def test_an_empty_reply_says_so_too():
    assert judge("tool-call", "book", "").reason.endswith("got no tool call but the text ''")


def test_of_several_calls_the_nearest_is_explained():
    far = call("book", {"city": "Oslo", "nights": 9})
    near = call("book", {"city": "Rome", "nights": 9})
    value = {"name": "book", "arguments": {"city": "Rome", "nights": 2}}
    assert judge("tool-call", value, calls=[far, near]).reason == "book: nights: expected 2, got 9"


def test_expected_arguments_may_be_json_text_as_in_a_tables_cell():
    value = {"name": "book", "arguments": '{"city": "Rome", "nights": 2.0}'}
    assert judge("tool-call", value, calls=[call("book", {"city": "Rome", "nights": 2})]).passed
    assert (
        judge("tool-call", value, calls=[call("book", {"city": "Rome", "nights": 3})]).reason
        == "book: nights: expected 2.0, got 3"
    )


def test_arguments_that_are_no_object_are_shown_as_they_came():
    broken = call("book", None, '{"city": ')
    assert judge("tool-call", "book", calls=[broken]).passed
    verdict = judge("tool-call", {"name": "book", "arguments": {"city": "Rome"}}, calls=[broken])
    assert verdict.reason == "book: the arguments are not a JSON object: '{\"city\": '"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "value must name a tool, it is missing"),
        ("", "value must name a tool, it is missing"),
        (3, "value must name a tool, not a number"),
        (["book"], "value must name a tool, not a list"),
        ({"arguments": {}}, "value has no name"),
        ({"name": ""}, "value has no name"),
        ({"name": 3}, "value has no name"),
        ({"name": "a", "args": {}}, "unknown key 'args' in value"),
        ({"name": "a", "arguments": "b"}, "arguments must be a mapping, not a text"),
        ({"name": "a", "arguments": {"x": float("nan")}}, "arguments hold NaN"),
    ],
)
def test_a_value_that_names_no_call_is_refused(value, message):
    assert f"tool-call: {message}" in refusal("tool-call", value)


def test_an_unknown_mode_is_refused_with_the_nearest_one():
    assert "unknown mode 'exactly' (did you mean 'exact'?" in refusal("tool-call", "book", mode="exactly")
