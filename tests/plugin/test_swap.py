"""The model was swapped: old, new, and new repaired, case by case."""

from __future__ import annotations

from tests.conftest import RULE, Body, Project, append, envelope, number_of, obeys_the_rule

SUITE = """\
routine: routine.md
target: {model: openai:old, base_url: BASE}
meta: {model: openai:big, base_url: BASE}
cases:
  - {id: a, input: "take 12", expect: "12"}
  - {id: b, input: "take 13", expect: "13"}
  - {id: never, input: "take 14", expect: "99"}
"""


def swapped(project: Project, *args: str) -> object:
    project.write(routine_dot_md="You read numbers.\n")
    project.suite(SUITE)

    def target(body: Body) -> str:
        return number_of(body) if body["model"] == "old" else obeys_the_rule(body)

    project.target = target
    project.meta = lambda body: envelope(append(RULE))
    return project.run("--metaprompt-target=openai:new", *args)


def test_a_repair_for_a_new_model_shows_old_new_and_repaired_side_by_side(project: Project) -> None:
    after = swapped(project, "--metaprompt-fix")
    after.result.stdout.fnmatch_lines(
        [
            "*orders.metaprompt.yaml: openai:old swapped for openai:new*",
            "case    old     new     new, repaired",
            "passed  2/3     0/3     2/3",
            "a       passed  failed  passed",
            "b       passed  failed  passed",
            "never   failed  failed  failed",
        ]
    )
    swap = after.report["suites"][0]["swap"]
    assert (swap["old"], swap["new"]) == ("openai:old", "openai:new")
    assert swap["cases"][0] == {"id": "a", "old": "passed", "new": "failed", "repaired": "passed"}
    assert len(project.asked("old")) == 3


def test_without_a_repair_the_old_model_is_not_asked(project: Project) -> None:
    after = swapped(project)
    assert project.asked("old") == []
    assert "swap" not in after.report["suites"][0]


def test_an_old_model_that_is_gone_shows_as_errors_and_stops_nothing(project: Project) -> None:
    from pytest_metaprompt.testing import Fault

    project.write(routine_dot_md="You read numbers.\n")
    project.suite(SUITE)
    project.target = lambda body: Fault.status(404, "retired") if body["model"] == "old" else obeys_the_rule(body)
    project.meta = lambda body: envelope(append(RULE))
    after = project.run("--metaprompt-target=openai:new", "--metaprompt-fix")
    after.result.stdout.fnmatch_lines(["passed  0/3    0/3     2/3", "a       error  failed  passed"])
    assert after.report["repairs"][0]["status"] == "applied"
