"""What every case came to, and who waits for it."""

from __future__ import annotations

from concurrent.futures import CancelledError
from pathlib import Path

import pytest

from pytest_metaprompt.errors import Place
from pytest_metaprompt.plugin.case_results import CaseKey, CaseResults
from pytest_metaprompt.plugin.junit import case_properties
from pytest_metaprompt.results import Attempt, CaseResult, Reply, Verdict
from pytest_metaprompt.suites import Case, ModelSpec, RoutineRef, Suite

SUITE = (Path("a.metaprompt.yaml"), "")
ONE, TWO = CaseKey(SUITE, "one"), CaseKey(SUITE, "two")


def _passed(name: str) -> CaseResult:
    case = Case(name, Place("a.metaprompt.yaml", 1))
    attempt = Attempt(case, reply=Reply("yes"), verdicts=(Verdict("equals", passed=True, score=1.0, reason=""),))
    return CaseResult(case, (attempt,), "passed")


def test_who_waits_for_a_case_gets_its_result_and_so_does_who_comes_later() -> None:
    results = CaseResults()
    results.expect([ONE, TWO])
    waiting = results.future(ONE)
    assert not waiting.done()

    results.put([(ONE, _passed("one"))])

    assert waiting.result() == results.future(ONE).result() == results.get(ONE) == _passed("one")
    assert results.get(TWO) is None
    assert results.found() == {SUITE: {"one": _passed("one")}}


def test_nobody_waits_for_ever_and_what_comes_too_late_is_not_wanted() -> None:
    results = CaseResults()
    results.expect([ONE, TWO])
    waiting = results.future(ONE)
    results.put([(TWO, _passed("two"))])

    results.end(CancelledError())
    results.put([(ONE, _passed("one"))])

    with pytest.raises(CancelledError):
        waiting.result()
    with pytest.raises(CancelledError):
        results.future(ONE).result()
    assert results.get(ONE) is None
    assert results.get(TWO) == _passed("two")


def test_the_end_of_some_cases_leaves_the_others_under_way() -> None:
    results = CaseResults()
    results.expect([ONE, TWO])

    results.end(RuntimeError("stopped"), of=[ONE])

    assert isinstance(results.future(ONE).exception(), RuntimeError)
    assert not results.future(TWO).done()


def test_a_test_that_is_run_again_has_its_last_result() -> None:
    results = CaseResults()
    results.keep(ONE, CaseResult(_passed("one").case, (), "error"))

    results.keep(ONE, _passed("one"))

    assert results.knows(ONE)
    assert results.get(ONE) == _passed("one")


def test_properties_that_cases_have_in_common_are_kept_once() -> None:
    suite = Suite(SUITE[0], RoutineRef(), (), target=ModelSpec("echo", ""))

    one, two = (case_properties(f"a::{name}", "a", suite, _passed(name)) for name in ("one", "two"))

    assert [name for name, _ in one][:3] == ["metaprompt.nodeid", "metaprompt.suite", "metaprompt.target"]
    assert one[0] != two[0]
    assert all(a is b for a, b in zip(one[1:], two[1:], strict=True))
