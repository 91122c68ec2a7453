import pytest

from pytest_metaprompt.scorers.values import as_javascript


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (42, "42"),
        (2**60, "1152921504606846976"),
        (1.0, "1"),
        (-0.0, "0"),
        (100.0, "100"),
        (0.1, "0.1"),
        (1e16, "10000000000000000"),
        (123456789012345680000.0, "123456789012345680000"),
        (1e21, "1e+21"),
        (1.5e300, "1.5e+300"),
        (0.000001, "0.000001"),
        (1e-7, "1e-7"),
        (-1.25e-9, "-1.25e-9"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
        ("1.0", "1.0"),
    ],
)
def test_a_value_is_written_as_javascript_writes_it(value, text):
    assert as_javascript(value) == text
