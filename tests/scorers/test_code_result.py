from decimal import Decimal
from fractions import Fraction

import pytest

from pytest_metaprompt.scorers.code_result import ResultError, read_result


def read(result, threshold=None):
    verdict = read_result(result, threshold=threshold, label="f returned")
    return verdict.passed, verdict.score, verdict.reason


@pytest.mark.parametrize(
    ("result", "threshold", "expected"),
    [
        (True, None, (True, 1.0, "f returned true")),
        (False, None, (False, 0.0, "f returned false")),
        (0.3, None, (True, 0.3, "f returned 0.3")),
        (0, None, (False, 0.0, "f returned 0, expected above 0")),
        (-2, None, (False, 0.0, "f returned -2, expected above 0")),
        (7, None, (True, 1.0, "f returned 7")),
        (0.3, 0.5, (False, 0.3, "f returned 0.3, expected at least 0.5")),
        (0.5, 0.5, (True, 0.5, "f returned 0.5")),
        (6, 10, (False, 0.6, "f returned 6, expected at least 10")),
        (0, 0, (True, 0.0, "f returned 0")),
        (Fraction(1, 2), None, (True, 0.5, "f returned 0.5")),
        ({"pass": True}, None, (True, 1.0, "f returned true")),
        ({"pass": False, "reason": "too long"}, None, (False, 0.0, "too long")),
        ({"pass_": True, "score": 0.4, "named_scores": {}}, None, (True, 0.4, "f returned true")),
        ({"pass": True, "score": 0.4, "reason": "ok"}, 0.5, (False, 0.4, "score 0.4 is below 0.5: ok")),
        ({"pass": False, "score": 0.9}, 0.5, (False, 0.9, "f returned false")),
        ({"pass": True, "score": 3}, None, (True, 1.0, "f returned true")),
    ],
)
def test_a_result_is_read(result, threshold, expected):
    assert read(result, threshold) == expected


@pytest.mark.parametrize(
    "result",
    [
        *[None, "true", "", [], object(), float("nan"), 10**400, Decimal("1"), {}],
        *[{"score": 1}, {"pass": 1}, {"pass": "yes"}, {"pass": True, "score": "high"}, {"pass": True, "score": True}],
    ],
)
def test_what_is_no_judgement_is_refused(result):
    with pytest.raises(ResultError):
        read(result)
