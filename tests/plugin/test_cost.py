"""Money as users meet it: what a run cost, and caps that no call ever goes beyond."""

from __future__ import annotations

import pytest

from pytest_metaprompt.testing import Fault, completion
from tests.conftest import RULE, After, Body, Project, append, envelope, number_of, obeys_the_rule

PRICE = "price: {input_per_mtok: 2, output_per_mtok: 10}"
SUITE = f"""\
routine: routine.md
target: {{model: openai:small, base_url: BASE, {PRICE}}}
cases:
"""


def cases(count: int) -> str:
    return "".join(f'  - {{id: c{n}, input: "take {n}", expect: "{n}"}}\n' for n in range(count))


@pytest.fixture
def paid(project: Project) -> Project:
    """50 cases of 1,000 tokens in and 100 out: 0.003 dollars each."""
    project.write(routine_dot_md="You read numbers.\n")
    project.suite(SUITE + cases(50))
    project.target = lambda body: completion(number_of(body), input_tokens=1000, output_tokens=100)
    return project


def test_the_cap_on_calls_counts_those_that_are_made_again(paid: Project) -> None:
    paid.suite(SUITE + cases(4))
    paid.target = lambda body: Fault.status(500, "down")
    after = paid.run("--metaprompt-max-calls=5")
    after.result.assert_outcomes(errors=4)
    assert len(paid.server.requests) == 5
    assert after.report["usage"]["calls"] + after.report["usage"]["retries"] == 5
    assert "500: down; not asked again: the budget of 5 calls is used up (raise --metaprompt-max-calls)" in after.text


def attempts_of(after: After) -> list[Body]:
    return [attempt for case in after.report["suites"][0]["cases"] for attempt in case["attempts"]]


def test_a_run_tells_what_it_cost_by_case_and_in_all(paid: Project) -> None:
    after = paid.run()
    assert {attempt["cost_usd"] for attempt in attempts_of(after)} == {0.003}
    assert after.report["usage"]["cost_usd"] == pytest.approx(0.15)
    after.result.stdout.fnmatch_lines(["50 calls (0 answered from the cache), 50000 tokens in, 5000 out, *, $0.15"])


def test_a_cached_reply_tells_its_price_and_costs_nothing_again(paid: Project) -> None:
    paid.run()
    after = paid.run(keep_cache=True)
    assert {attempt["cost_usd"] for attempt in attempts_of(after)} == {0.003}
    assert after.report["usage"]["cost_usd"] == 0
    assert "no cost" in after.text


def test_tokens_from_the_providers_cache_cost_less(paid: Project) -> None:
    answer = completion("1", input_tokens=1000, output_tokens=100)
    answer["usage"]["prompt_tokens_details"] = {"cached_tokens": 500}
    answer["usage"]["completion_tokens_details"] = {"reasoning_tokens": 60}
    paid.target = lambda body: answer
    paid.suite(SUITE.replace("output_per_mtok: 10", "output_per_mtok: 10, cached_input_per_mtok: 1") + cases(1))
    (attempt,) = attempts_of(paid.run())
    assert attempt["cost_usd"] == pytest.approx(0.0025)
    assert attempt["usage"] == {
        "input_tokens": 1000,
        "output_tokens": 100,
        "cached_input_tokens": 500,
        "reasoning_tokens": 60,
    }


def test_an_unknown_price_is_unknown_and_not_zero(paid: Project) -> None:
    paid.suite(SUITE.replace(f", {PRICE}", "") + cases(2))
    after = paid.run()
    assert [attempt["cost_usd"] for attempt in attempts_of(after)] == [None, None]
    assert after.report["usage"]["cost_usd"] is None
    assert "cost not known" in after.text


def test_the_calls_of_a_run_never_exceed_the_cap(paid: Project) -> None:
    after = paid.run("--metaprompt-max-calls=7", "--metaprompt-concurrency=50")
    assert len(paid.server.requests) == 7
    after.result.assert_outcomes(passed=7, errors=43)
    assert "the budget of 7 calls is used up (raise --metaprompt-max-calls)" in after.text


@pytest.mark.parametrize("limit", ["", "max_tokens: 100, "])
def test_the_dollars_of_a_run_never_exceed_the_cap(paid: Project, limit: str) -> None:
    paid.suite(SUITE.replace("price:", f"{limit}price:") + cases(50))
    after = paid.run("--metaprompt-max-cost=0.0215", "--metaprompt-concurrency=50")
    assert after.report["usage"]["cost_usd"] <= 0.0215
    assert 5 <= len(paid.server.requests) <= 7
    assert "raise --metaprompt-max-cost" in after.text


def test_the_tokens_of_a_run_never_exceed_the_cap(paid: Project) -> None:
    paid.target = lambda body: completion(number_of(body), input_tokens=9, output_tokens=6)
    after = paid.run("--metaprompt-max-tokens=100", "--metaprompt-concurrency=50")
    used = after.report["usage"]["input_tokens"] + after.report["usage"]["output_tokens"]
    assert 60 <= used <= 100
    assert "raise --metaprompt-max-tokens" in after.text


def test_an_unknown_price_never_satisfies_a_cap(paid: Project) -> None:
    paid.suite(SUITE.replace(f", {PRICE}", "") + cases(2))
    after = paid.run("--metaprompt-max-cost=100")
    after.result.assert_outcomes(errors=2)
    assert not paid.server.requests
    assert "--metaprompt-max-cost is set, but no price is known for openai:small" in after.text
    assert "price: {input_per_mtok: ..., output_per_mtok: ...}" in after.text


def test_a_wrong_price_is_told_with_its_line(paid: Project) -> None:
    paid.suite(SUITE.replace("output_per_mtok: 10", "output_per_mtok: -1") + cases(2))
    assert "orders.metaprompt.yaml:2" in paid.run().text
    paid.suite(SUITE.replace(", output_per_mtok: 10", "") + cases(2))
    assert "missing key 'output_per_mtok'" in paid.run().text


def test_a_target_from_the_command_line_does_not_take_over_the_price(paid: Project) -> None:
    after = paid.run("--metaprompt-target=openai:other", "-k", "c1")
    assert {attempt["cost_usd"] for attempt in attempts_of(after)} == {None}


FIX = """\
routine: routine.md
target: {model: openai:small, base_url: BASE, price: {input_per_mtok: 2, output_per_mtok: 10}}
meta: {model: openai:big, base_url: BASE, price: {input_per_mtok: 10, output_per_mtok: 50}}
"""


@pytest.fixture
def failing(paid: Project) -> Project:
    paid.suite(FIX + "cases:\n" + cases(10))
    paid.target = lambda body: completion(obeys_the_rule(body), input_tokens=1000, output_tokens=100)
    paid.meta = lambda body: completion(envelope(append(RULE)), input_tokens=2000, output_tokens=400)
    return paid


def test_a_repair_says_what_it_may_cost_and_then_what_it_did(failing: Project) -> None:
    after = failing.run("--metaprompt-fix")
    repair = after.report["repairs"][0]
    calls = repair["calls"]
    assert repair["status"] == "applied"
    assert repair["cost_usd"] == pytest.approx(0.003 * calls["target"] + 0.04 * calls["meta"])
    after.result.stdout.fnmatch_lines(
        [
            "routine.md: about 35 target calls and 3 meta calls (at most 250 in all), about $0.645",
            f"  cost      ${repair['cost_usd']:.4g}",
        ]
    )
    assert after.report["usage"]["cost_usd"] == pytest.approx(repair["cost_usd"] + 10 * 0.003)


JUDGED = """\
judge: {model: openai:judge, base_url: BASE, price: {input_per_mtok: 4, output_per_mtok: 20}}
cases:
"""


def test_the_calls_of_a_judge_are_in_the_estimate_and_in_the_truth(failing: Project) -> None:
    rubric = "{type: llm-rubric, value: is a number}"
    nested = f"{{type: assert-set, assert: [{rubric}, {{type: equals, value: '%d'}}]}}"
    failing.suite(
        FIX
        + JUDGED
        + "".join(f'  - {{id: c{n}, input: "take {100 + n}", assert: [{nested % (100 + n)}]}}\n' for n in range(10))
    )
    usual = failing.target
    verdict = completion('{"pass": true, "score": 1, "reason": "yes"}', input_tokens=500, output_tokens=50)
    failing.target = lambda body: verdict if body["model"] == "judge" else usual(body)
    after = failing.run("--metaprompt-fix")
    [repair] = after.report["repairs"]
    calls = repair["calls"]
    assert repair["status"] == "applied"
    assert repair["cost_usd"] == pytest.approx(0.003 * (calls["target"] + calls["judge"]) + 0.04 * calls["meta"])
    after.result.stdout.fnmatch_lines(
        [
            # 35 askings of 0.003 for the target and as much for the judge, and 3 meta calls of 0.18.
            "routine.md: about 35 target calls, 35 judge calls and 3 meta calls (at most 500 in all), about $0.75",
            f"  calls     {calls['target']} target, {calls['meta']} meta, {calls['judge']} judge, in *",
        ]
    )


def test_an_estimate_with_a_judge_of_unknown_price_is_not_known(failing: Project) -> None:
    rubric = "[{type: llm-rubric, value: is a number}, {type: equals, value: '%d'}]"
    failing.suite(
        FIX
        + "judge: {model: openai:judge, base_url: BASE}\ncases:\n"
        + "".join(f'  - {{id: c{n}, input: "take {100 + n}", assert: {rubric % (100 + n)}}}\n' for n in range(10))
    )
    usual = failing.target
    verdict = completion('{"pass": true, "score": 1, "reason": "yes"}', input_tokens=500, output_tokens=50)
    failing.target = lambda body: verdict if body["model"] == "judge" else usual(body)
    after = failing.run("--metaprompt-fix")
    assert "about 35 target calls, 35 judge calls and 3 meta calls (at most 500 in all), cost not known" in after.text
    failing.suite(failing.path.joinpath("orders.metaprompt.yaml").read_text().replace("cases:", NESTED_CAP))
    failing.write(routine_dot_md="You read numbers.\n")
    capped = failing.run("--metaprompt-fix")
    assert "no price is known for openai:judge" in capped.report["repairs"][0]["reason"]


NESTED_CAP = "fix: {budget: {usd: 1}}\ncases:"


def test_a_repair_never_goes_beyond_its_dollars(failing: Project) -> None:
    failing.meta = lambda body: completion(envelope(append("Be brief.")), input_tokens=2000, output_tokens=400)
    failing.suite(FIX + "fix: {budget: {usd: 0.16}}\ncases:\n" + cases(10))
    after = failing.run("--metaprompt-fix")
    repair = after.report["repairs"][0]
    assert repair["status"] == "budget"
    assert 0 < repair["cost_usd"] <= 0.16
    assert "the budget of $0.16" in repair["reason"]
    assert "never more than $0.16" in after.text


def test_a_repair_with_an_unknown_price_and_a_cap_is_refused_before_a_call(failing: Project) -> None:
    failing.suite(
        FIX.replace(", price: {input_per_mtok: 10, output_per_mtok: 50}", "")
        + "fix: {budget: {usd: 1}}\ncases:\n"
        + cases(10)
    )
    after = failing.run("--metaprompt-fix")
    assert after.report["repairs"][0]["status"] == "budget"
    assert "no price is known for openai:big" in after.report["repairs"][0]["reason"]
    assert len(failing.server.requests) == 10


def test_a_model_in_the_process_costs_nothing(project: Project) -> None:
    project.write(routine_dot_md="Hi.\n")
    project.suite("routine: routine.md\ntarget: 'echo:'\ncases:\n  - {id: one, input: hi, expect: hi}\n")
    after = project.run("--metaprompt-max-cost=0")
    after.result.assert_outcomes(passed=1)
    assert after.report["usage"]["cost_usd"] == 0
