"""What the tests do not guard is found by taking it away."""

from __future__ import annotations

import json

import pytest

from tests.conftest import RULE, Body, Project, append, envelope, obeys_the_rule

TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
    for name in ("find_order", "cancel_order")
]
ROUTINE = f"# Numbers\n\nYou read numbers. {RULE}\nNever tell a customer's name.\n"


@pytest.fixture
def green(project: Project) -> Project:
    project.write_bytes("routine.md", ROUTINE.encode())
    cases = "".join(f'  - {{id: case-{n}, input: "please take {100 + n}", expect: "{100 + n}"}}\n' for n in range(12))
    checks = "[{type: contains, value: '7'}, {type: not-contains, value: find_order}]"
    cases += f"  - {{id: tool, input: 'find 7', assert: {checks}}}\n"
    target = f"{{model: openai:small, base_url: BASE, tools: {json.dumps(TOOLS)}}}"
    meta = "{model: openai:big, base_url: BASE}"
    project.suite(f"routine: routine.md\ntarget: {target}\nmeta: {meta}\ncases:\n{cases}")
    project.target = obeys_the_rule
    return project


def test_sentences_whose_loss_no_case_notices_are_listed_and_nothing_is_written(green: Project) -> None:
    after = green.run("--metaprompt-mutate", "--metaprompt-report=found.md")
    assert after.code == 0
    assert after.report["suites"][0]["unguarded"] == {
        "sentences": ["# Numbers", "You read numbers.", "Never tell a customer's name."],
        "tools": ["cancel_order"],
        "examined": 4,
        "left": 0,
    }
    assert 'routine.md: no case guards: "Never tell a customer\'s name."' in after.text
    assert "routine.md: no case expects or calls the tool 'cancel_order'" in after.text
    assert "routine.md: 4 sentences examined, 3 unguarded" in after.text
    assert f"no case guards: '{RULE}'" not in after.text
    assert after.files["routine.md"] == ROUTINE.encode()
    page = after.files["found.md"].decode()
    assert "what no case guards (4 sentences examined)" in page
    assert "Never tell a customer's name." in page


def test_a_tool_is_covered_by_an_assertion_in_a_set_and_by_code_that_names_it(green: Project) -> None:
    path = green.path / "orders.metaprompt.yaml"
    checks = "[{type: assert-set, assert: [{type: not-contains, value: cancel_order}, {type: contains, value: '7'}]}]"
    text = path.read_text().replace("cases:\n", f"cases:\n  - {{id: set, input: 'find 7', assert: {checks}}}\n")
    path.write_text(text)
    assert green.run("--metaprompt-mutate").report["suites"][0]["unguarded"]["tools"] == []


def test_a_sentence_that_is_missed_costs_few_calls_and_the_budget_is_hard(green: Project) -> None:
    green.run("--metaprompt-mutate")
    systems = [body["messages"][0]["content"] for body in green.asked("small")]
    assert sum(RULE not in system for system in systems) <= 4, "the first cases that notice end the search"
    path = green.path / "orders.metaprompt.yaml"
    path.write_text(path.read_text().replace("cases:", "fix: {budget: {calls: 9}}\ncases:"))
    before = len(green.server.requests)
    after = green.run("--metaprompt-mutate", "--metaprompt-no-cache")
    assert len(green.server.requests) - before == 13 + 9
    assert after.report["suites"][0]["unguarded"]["left"] > 0
    assert "not examined: the budget ended, or a call failed" in after.text


def test_after_a_repair_the_repaired_routine_is_examined(green: Project) -> None:
    green.write_bytes("routine.md", b"# Numbers\n\nYou read numbers.\nNever tell a name.\n")
    green.meta = lambda body: envelope(append(RULE))
    after = green.run("--metaprompt-fix", "--metaprompt-mutate")
    assert after.report["repairs"][0]["status"] == "applied"
    found = after.report["suites"][0]["unguarded"]
    assert found["examined"] == 4
    assert RULE not in found["sentences"]


def test_a_selection_of_cases_is_not_examined(green: Project) -> None:
    after = green.run("--metaprompt-mutate", "-k", "case-3")
    assert "unguarded" not in after.report["suites"][0]
    assert "routine.md: not examined: some of its cases were not run" in after.text


def test_without_the_option_nothing_is_asked_again(green: Project) -> None:
    assert "unguarded" not in green.run().report["suites"][0]
    assert len(green.server.requests) == 13


def broken(project: Project, fix: str) -> None:
    project.write_bytes("routine.md", b"# Numbers\n\nYou read numbers in messages of customers.\n")
    cases = "".join(f'  - {{id: case-{n}, input: "please take {100 + n}", expect: "{100 + n}"}}\n' for n in range(24))
    head = "routine: routine.md\ntarget: {model: openai:small, base_url: BASE}\n"
    head += "meta: {model: openai:big, base_url: BASE}\n"
    project.suite(f"{head}{fix}cases:\n{cases}")
    project.target = obeys_the_rule


HOOK = f'''
from pytest_metaprompt.results import Proposal

class Louder:
    async def propose(self, state):
        return [Proposal("louder", "it is not said", state.text + "{RULE}")]

class Broken:
    async def propose(self, state):
        return 1 / 0

def pytest_metaprompt_proposers():
    return {{"broken": Broken(), "louder": Louder()}}
'''


def test_a_proposer_of_a_conftest_is_asked_and_one_that_raises_is_given_up(project: Project) -> None:
    project.write(conftest_dot_py=HOOK)
    broken(project, "")
    after = project.run("--metaprompt-fix")
    assert after.code == 0
    assert RULE in after.files["routine.md"].decode()
    assert "the proposer 'broken' raised ZeroDivisionError: division by zero" in after.text
    assert not project.asked("big"), "who asks no model comes first"


def test_only_the_proposers_that_the_suite_names_are_asked(project: Project) -> None:
    project.write(conftest_dot_py=HOOK)
    broken(project, "fix: {proposers: [reflect]}\n")
    project.meta = lambda body: envelope(append(RULE))
    after = project.run("--metaprompt-fix")
    assert [one["proposer"] for one in after.report["repairs"][0]["proposals"]] == ["reflect"]


def test_an_unknown_proposer_is_told_with_the_known_ones(project: Project) -> None:
    broken(project, "fix: {proposers: [reflct]}\n")
    after = project.run("--metaprompt-fix")
    assert after.report["repairs"][0]["status"] == "error"
    assert "fix.proposers names 'reflct', which is unknown (did you mean 'reflect'?" in after.text


def test_a_request_that_does_not_fit_the_meta_models_context_is_not_sent(project: Project) -> None:
    broken(project, "")
    path = project.path / "orders.metaprompt.yaml"
    path.write_text(path.read_text().replace("openai:big,", "openai:big, context: 1000,"))
    after = project.run("--metaprompt-fix")
    assert not project.asked("big")
    assert "leave no room for a failing case in the meta model's 1000 tokens" in after.text


def test_an_interrupted_repair_begins_again_with_what_is_known(project: Project) -> None:
    broken(project, "fix: {budget: {calls: 20}}\n")
    project.meta = lambda body: envelope(append(RULE))
    assert project.run("--metaprompt-fix").report["repairs"][0]["status"] == "budget"
    asked: list[Body] = [request.body for request in project.server.requests]
    after = project.run("--metaprompt-fix", keep_cache=True)
    assert after.report["repairs"][0]["status"] == "applied"
    more = [request.body for request in project.server.requests][len(asked) :]
    assert not [body for body in more if body in asked], "its probe is known as well"
    assert len(project.asked("big")) == 1, "the meta model is not paid twice"
