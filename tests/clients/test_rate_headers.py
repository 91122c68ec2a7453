import pytest

from pytest_metaprompt.clients.rate_headers import Allowance, duration_s, read_allowances, retry_after_s

NOON = 1_792_843_200.0  # Sat, 24 Oct 2026 12:00:00 GMT


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "20", "retry-after": "1"}, 0.02),
        ({"retry-after-ms": "soon", "retry-after": "1"}, 1),
        ({"retry-after": "Sat, 24 Oct 2026 12:00:30 GMT"}, 30),
        ({"retry-after": "Sat, 24 Oct 2026 11:00:00 GMT"}, 0),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1e3"}, None),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": ""}, None),
        ({}, None),
    ],
)
def test_a_server_may_ask_to_wait_in_three_ways(headers, seconds):
    assert retry_after_s(headers, date=NOON) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("20ms", 0.02),
        ("8.64s", 8.64),
        ("6m0s", 360),
        ("1h2m3s", 3723),
        ("12", 12),
        ("", None),
        ("soon", None),
        ("1s!", None),
    ],
)
def test_resets_are_read_as_openai_writes_them(text, seconds):
    assert duration_s(text) == (pytest.approx(seconds) if seconds is not None else None)


def test_what_is_left_is_read_where_it_is_whole():
    headers = {
        "x-ratelimit-remaining-requests": "3",
        "x-ratelimit-reset-requests": "20s",
        "x-ratelimit-remaining-tokens": "100",
    }
    assert read_allowances(headers, now=5) == {"rate limit of requests": Allowance(3, 25, 1)}


def test_a_reset_that_is_far_away_is_left_to_the_servers_own_429():
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "24h0m0s"}
    assert read_allowances(headers, now=0) == {}
