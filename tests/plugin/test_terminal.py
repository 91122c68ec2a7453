"""What stands on the terminal: while cases run, and in the end."""

from __future__ import annotations

import os
import sys

import pexpect
import pyte
import pytest

from tests.conftest import RULE, Body, Project, append, envelope, number_of, obeys_the_rule

SUITE = """\
routine: routine.md
target: {model: openai:small, base_url: BASE}
meta: {model: openai:big, base_url: BASE}
cases:
  - {id: good, input: "take 12", expect: "12"}
  - {id: bad, input: "take 13", expect: "14"}
  - {id: broken, input: "take 15", expect: "15"}
"""


@pytest.fixture
def mixed(project: Project) -> Project:
    """One case of each kind: good, wrong, and with a provider that is down."""
    from pytest_metaprompt.testing import Fault

    project.write(routine_dot_md="You read numbers.\n")
    project.suite(SUITE)
    project.target = lambda body: Fault.status(400, "no") if number_of(body) == "15" else number_of(body)
    return project


def standing(text: str) -> str:
    return next(line for line in text.splitlines() if line.startswith("metaprompt: "))


def test_failed_cases_and_trouble_are_told_apart(mixed: Project) -> None:
    assert standing(mixed.run().text) == ("metaprompt: 1 case failed, 1 error of providers or checks, 1 case passed")


def test_failed_gates_are_told_apart_from_cases_that_are_left_to_them(mixed: Project) -> None:
    mixed.suite(SUITE.replace("cases:", "gate: {min_accuracy: 0.9}\ncases:"))
    assert standing(mixed.run().text) == (
        "metaprompt: 1 gate failed, 1 error of providers or checks, 1 failing case left to gates, 1 case passed"
    )


def test_after_a_repair_the_line_tells_the_truth_of_the_files(mixed: Project) -> None:
    mixed.suite(SUITE.replace('"14"', '"13"'))
    mixed.target, mixed.meta = obeys_the_rule, lambda body: envelope(append(RULE))
    assert standing(mixed.run("--metaprompt-fix").text) == "metaprompt: 3 cases repaired"


@pytest.mark.parametrize("args", [["-q"], ["-v"], ["-vv"], ["--color=no"], ["-p", "no:cacheprovider", "-q", "-rA"]])
def test_the_table_and_the_standing_are_there_however_loud(mixed: Project, args: list[str]) -> None:
    after = mixed.run(*args)
    after.result.stdout.fnmatch_lines(["suite *target *passed*", "orders.metaprompt.yaml *1/3*", "metaprompt: 1 case*"])


def test_the_quietest_run_tells_only_how_it_stands(mixed: Project) -> None:
    after = mixed.run("-qq")
    assert "accuracy (95 %)" not in after.text
    assert "1 case failed" in standing(after.text)


@pytest.mark.parametrize("args", [["--no-summary"], ["-p", "no:terminal"]])
def test_without_a_summary_there_is_only_the_exit_code(mixed: Project, args: list[str]) -> None:
    after = mixed.run(*args)
    assert after.code == 1
    assert "metaprompt: " not in after.text


@pytest.mark.parametrize("style", ["classic", "count", "progress", "times"])
def test_every_style_of_progress_goes_with_it(mixed: Project, style: str) -> None:
    assert "1 case failed" in standing(mixed.run("-o", f"console_output_style={style}").text)


def test_under_xdist_the_run_ends_as_it_does_without(mixed: Project) -> None:
    result = mixed.pytester.runpytest_subprocess("-n2")
    result.assert_outcomes(passed=1, failed=1, errors=1)


def test_under_xdist_the_summary_and_junit_have_one_line_for_each_failure(mixed: Project) -> None:
    mixed.suite(SUITE, name="plain")
    mixed.suite(SUITE.replace("cases:", "gate: {min_accuracy: 0.9}\ncases:"))
    result = mixed.pytester.runpytest_subprocess("-n2", "--junitxml=junit.xml", "-vv")
    result.stdout.re_match_lines_random(
        [
            r"FAILED plain.metaprompt.yaml::bad - equals: expected '14', got '13'$",
            r"ERROR plain.metaprompt.yaml::broken - openai:small: 400: no",
            r"FAILED orders.metaprompt.yaml::gate - accuracy 1/3 = 0.33 \(0.06-0.79\), less than 0.9$",
        ]
    )
    assert "case       bad  (plain.metaprompt.yaml:" in result.stdout.str()
    assert "message=\"equals: expected '14', got '13'\"" in (mixed.path / "junit.xml").read_text()


def test_flaky_cases_are_listed_with_their_rate_and_interval(mixed: Project) -> None:
    replies = iter(["12", "no", "12"])
    mixed.target = lambda body: next(replies)
    mixed.suite(SUITE.replace("cases:", "repeat: 3\nmin_pass: 2\ncases:"))
    after = mixed.run("-k", "good", "--metaprompt-concurrency=1")
    after.result.stdout.fnmatch_lines(
        ["flaky, because some*:", "  orders.metaprompt.yaml::good  2/3 = 0.67 (0.21-0.94), passed"]
    )
    case = after.report["suites"][0]["cases"][0]
    assert (case["stability"], case["rate"]["passed"], case["rate"]["total"]) == ("flaky", 2, 3)


def test_the_rate_of_a_flaky_case_is_there_however_long_its_path_is(mixed: Project) -> None:
    replies = iter(["12", "no", "12"])
    mixed.target = lambda body: next(replies)
    name = "evals/a_folder_with_a_rather_long_name/refunds_and_other_matters_of_money"
    mixed.suite(
        SUITE.replace("routine.md", "{inline: x}").replace("cases:", "repeat: 3\nmin_pass: 2\ncases:"), name=name
    )
    _, after = on_a_screen(mixed, "-k", "good", "--metaprompt-concurrency=1")
    line = next(line for line in after if line.endswith("good  2/3 = 0.67 (0.21-0.94), passed"))
    assert line.startswith("...")


def test_failing_cases_of_several_gated_suites_stand_below_their_suite(mixed: Project) -> None:
    gated = SUITE.replace("cases:", "gate: {min_accuracy: 0.3}\ncases:")
    mixed.suite(gated)
    mixed.suite(gated, name="more")
    mixed.run().result.stdout.fnmatch_lines(
        ["more.metaprompt.yaml:", "  failed bad: equals*", "orders.metaprompt.yaml:", "  failed bad: equals*"]
    )


def test_nothing_in_an_error_can_move_the_cursor_or_turn_the_text(mixed: Project) -> None:
    mixed.write(loud_dot_py='def answer(messages):\n    raise RuntimeError("\\x1b[2Jgone \\u202eturned")\n')
    suite = SUITE.replace("{model: openai:small, base_url: BASE}", "'python:loud:answer'")
    mixed.suite(suite)
    mixed.suite(suite.replace("cases:", "gate: {min_accuracy: 0.3}\ncases:"), name="gated")
    text = mixed.run("--color=no").text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "raised RuntimeError: \\x1b[2Jgone \\u202eturned" in text


def test_node_ids_are_shown_as_they_are_typed(mixed: Project) -> None:
    mixed.suite(SUITE.replace("id: good", "id: v1.2").replace("cases:", "gate: {min_accuracy: 0.3}\ncases:"))
    mixed.run("-v").result.stdout.fnmatch_lines(
        ["orders.metaprompt.yaml::v1.2 PASSED*", "orders.metaprompt.yaml::gate PASSED*"]
    )


def test_several_suites_have_their_time_in_the_table(mixed: Project) -> None:
    mixed.suite(SUITE, name="more")
    after = mixed.run()
    after.result.stdout.fnmatch_lines(["suite *errors  gate *time", "more.metaprompt.yaml *1/3* s"])
    assert all(suite["seconds"] > 0 for suite in after.report["suites"])


def on_a_screen(project: Project, *args: str, columns: int = 80, wait_for: str = "") -> tuple[list[str], list[str]]:
    """Run pytest on a terminal; the screen when a text had come, and in the end."""
    environ = {key: value for key, value in os.environ.items() if key not in ("CI", "PYTEST_ADDOPTS", "COLUMNS")}
    child = pexpect.spawn(
        sys.executable,
        ["-m", "pytest", "-p", "no:cacheprovider", "--tb=no", "--disable-warnings", *args],
        cwd=str(project.path),
        env={**environ, "TERM": "xterm-256color", "OPENAI_API_KEY": "k"},
        dimensions=(60, columns),
        timeout=60,
        encoding="utf-8",
    )
    screen = pyte.Screen(columns, 60)
    stream = pyte.Stream(screen)
    during: list[str] = []
    while True:
        try:
            stream.feed(child.read_nonblocking(100_000, timeout=60))
        except pexpect.EOF:
            break
        shown = [line.rstrip() for line in screen.display]
        if wait_for and not during and any(wait_for in line for line in shown):
            during = shown
    return during, [line.rstrip() for line in screen.display]


class Slow:
    """Answers the first cases at once, and the others after a while."""

    def __call__(self, body: Body) -> object:
        from pytest_metaprompt.testing import Fault

        return Fault.delay(1.5, number_of(body)) if int(number_of(body)) > 20 else number_of(body)


def many(project: Project, count: int) -> None:
    cases = "".join(f'  - {{id: case-{n}, input: "take {n}", expect: "{n}"}}\n' for n in range(count))
    project.suite(SUITE.partition("cases:")[0] + "cases:\n" + cases)


@pytest.mark.parametrize("args", [(), ("-v",), ("-q",), ("-o", "console_output_style=count"), ("--color=no",)])
def test_a_line_below_tells_how_far_it_is_and_leaves_no_trace(mixed: Project, args: tuple[str, ...]) -> None:
    many(mixed, 24)
    mixed.target = Slow()
    during, after = on_a_screen(mixed, *args, wait_for="21/24 cases")
    told = next(line for line in during if "/24 cases" in line)
    above = during[during.index(told) - 1]
    assert above.startswith(("orders.metaprompt.yaml", "."))
    assert not any("/24 cases" in line for line in after)
    assert any(line == "metaprompt: 24 cases passed" for line in after)
    assert any("24 passed" in line for line in after)


def test_on_a_wide_screen_pytest_goes_on_where_it_was(mixed: Project) -> None:
    many(mixed, 102)
    mixed.target = lambda body: Slow()(body) if int(number_of(body)) > 95 else number_of(body)
    during, after = on_a_screen(mixed, "-q", "--metaprompt-concurrency=8", columns=130, wait_for="96/102 cases")
    assert "." * 96 in during
    assert any(line.startswith("." * 102) for line in after)


@pytest.mark.parametrize("columns", [80, 120])
def test_no_line_of_ours_is_wider_than_the_screen(mixed: Project, columns: int) -> None:
    name = "evals/a_folder_with_a_rather_long_name/refunds_and_other_matters_of_money"
    mixed.suite(SUITE.replace("cases:", "gate: {min_accuracy: 0.9}\ncases:"), name=name)
    mixed.write(**{"evals__a_folder_with_a_rather_long_name__routine_dot_md": "You read numbers.\n"})
    _, after = on_a_screen(mixed, "--metaprompt-report=out/report.html", columns=columns)
    start = next(index for index, line in enumerate(after) if line.strip("= ") == "metaprompt")
    end = next(index for index, line in enumerate(after) if "short test summary" in line)
    section = after[start + 1 : end]
    # A line that went round the edge would fill its row to the last column.
    assert [line for line in section if len(line) == columns] == []
    assert any(" 1/3 " in line for line in section)
    assert "1 gate failed" in "".join(section)


def test_nothing_is_renewed_where_lines_stay(mixed: Project) -> None:
    many(mixed, 3)
    assert "\x1b[2K" not in mixed.run().text
