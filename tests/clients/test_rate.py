from hypothesis import example, given
from hypothesis import strategies as st

from pytest_metaprompt.clients.rate import ROUNDING_S, WINDOW_S, Rate


def test_calls_wait_until_a_minute_has_passed_since_the_one_that_is_in_their_way():
    rate = Rate("calls_per_minute", 2, by_size=False)
    for moment in (0.0, 10.0):
        assert rate.wait_s(moment, 0) == 0
        rate.take(moment, 0)
    assert rate.wait_s(20.0, 0) == 40
    assert rate.wait_s(60.0, 0) == 0


def test_tokens_are_settled_when_they_are_known():
    rate = Rate("tokens_per_minute", 100, by_size=True)
    rate.take(0.0, 60)
    assert rate.wait_s(1.0, 60) == 59
    rate.settle(1.0, expected=60, used=10)
    assert rate.wait_s(1.0, 60) == 0


def test_what_is_larger_than_the_rate_waits_until_nothing_else_counts():
    rate = Rate("tokens_per_minute", 100, by_size=True)
    assert rate.wait_s(0.0, 500) == 0
    rate.take(0.0, 500)
    assert rate.wait_s(1.0, 1) == 59


@example(2, [0.3333333333333333, 15.782867397098922, 0.3333333333333333])
@given(st.integers(1, 5), st.lists(st.floats(0, 30), max_size=40))
def test_no_minute_ever_holds_more_calls_than_allowed(most, pauses):
    rate, now, begun = Rate("calls_per_minute", most, by_size=False), 0.0, []
    for pause in pauses:
        now += pause
        now += rate.wait_s(now, 0)
        assert rate.wait_s(now, 0) == 0
        rate.take(now, 0)
        begun.append(now)
    minute = WINDOW_S - 10 * ROUNDING_S
    assert all(sum(start <= moment < start + minute for moment in begun) <= most for start in begun)
