"""260 assertions on fixed outputs, judged by promptfoo 0.121.20 and by us in its dialect."""

import json
from pathlib import Path

import pytest

from pytest_metaprompt.errors import MetapromptError
from pytest_metaprompt.results import Attempt, Reply
from pytest_metaprompt.suites import Assertion, Case

from .asking import HERE, user, verdict

ORACLE = Path(__file__).parents[3] / "shared" / "data" / "promptfoo"
pytestmark = pytest.mark.skipif(not ORACLE.exists(), reason="promptfoo's results are not here")

REFUSED = "refused by name: we have no such assertion, which is said, not passed"
EXCEPTIONS = {
    'contains-all []  <- "a b c"': "refused: a list of nothing holds for every reply",
    'not-finish-reason "stop"  <- "x"': "an error: where the provider gives no reason, nothing is known of it",
    'is-sql   <- "SELECT a FROM t"': REFUSED,
    'not-is-sql   <- "SELEC a FROM t"': REFUSED,
    'contains-sql   <- "```sql\\nSELECT a FROM t\\n```"': REFUSED,
    'is-sql {"databaseType": "MySQL", "allowedTables": ["select::null::t"]}  <- "SELECT a FROM t"': REFUSED,
    'guardrails   <- "x"': REFUSED,
}


def recorded():
    if not ORACLE.exists():
        return []
    tests = json.loads((ORACLE / "cases/p-asserts/tests.json").read_text(encoding="utf-8"))
    found = json.loads((ORACLE / "oracle/p-asserts.json").read_text(encoding="utf-8"))["results"]
    return list(zip(tests, found, strict=True))


def ours(test, output):
    """Whether it passes and its score; an error and a refusal are no pass, and score 0 there as here."""
    entry = test["assert"][0]
    kind = entry["type"].removeprefix("not-")
    wanted = Assertion(
        kind, entry.get("value"), kind != entry["type"], entry.get("threshold"), where=HERE, dialect="promptfoo"
    )
    # There, a given output costs nothing and takes no time.
    reply = Reply(output, cost_usd=0.0)
    try:
        found = verdict(wanted, Attempt(Case("c", HERE, vars=test.get("vars", {})), (user("p"),), reply=reply))
    except MetapromptError:
        return False, 0.0
    return found.passed, found.score


@pytest.mark.parametrize(("test", "result"), recorded(), ids=lambda value: value.get("description", "result"))
def test_every_assertion_is_judged_as_promptfoo_does_but_for_the_exceptions(test, result):
    passed, score = ours(test, result["output"])
    agrees = passed is result["pass"] and score == pytest.approx(result["score"], abs=1e-9)
    assert agrees is (test["description"] not in EXCEPTIONS)


def test_every_exception_is_one_of_the_tests():
    assert EXCEPTIONS.keys() <= {test["description"] for test, _ in recorded()}
    assert len(recorded()) == 260
