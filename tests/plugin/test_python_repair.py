"""Repairs of routines that Python tests use: the tests' own words are the feedback, and the tests are the proof."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from pytest_metaprompt.testing import Fault
from tests.conftest import RULE, After, Body, Project, append, envelope, number_of, obeys_the_rule, system_of

ROUTINE = "# Numbers\n\nYou read numbers in a customer's message.\nBe polite.\n"
HEAD = """\
import pytest

pytestmark = pytest.mark.metaprompt(
    "routine.md",
    target={"model": "openai:small", "base_url": "BASE"},
    meta={"model": "openai:big", "base_url": "BASE"},
)

"""
NUMBERS = """\
@pytest.mark.parametrize("number", range(100, 100 + COUNT))
def test_number(routine, number):
    assert routine.run(input=f"please take {number}").text == str(number)
"""


@pytest.fixture
def broken(project: Project) -> Project:
    """A routine that lacks a rule, and a meta model that knows it."""
    project.write_bytes("routine.md", ROUTINE.encode())
    project.target = obeys_the_rule
    project.meta = lambda body: envelope(append(RULE))
    return project


def write_test(project: Project, text: str, *, count: int = 4, name: str = "test_numbers.py") -> None:
    whole = (HEAD + text).replace("BASE", project.server.base_url).replace("COUNT", str(count))
    project.write_bytes(name, whole.encode())


def repair_of(after: After) -> Any:
    assert len(after.report["repairs"]) == 1
    return after.report["repairs"][0]


def assert_untouched(after: After) -> None:
    assert after.files["routine.md"] == ROUTINE.encode()
    assert after.code == 1


def test_failing_tests_repair_the_routine_and_are_counted_as_repaired(broken: Project) -> None:
    write_test(broken, NUMBERS)
    after = broken.run("--metaprompt-fix")
    assert after.code == 0
    assert after.files["routine.md"].decode() == ROUTINE.rstrip("\n") + f"\n{RULE}\n"
    repair = repair_of(after)
    assert (repair["status"], repair["before"], repair["after"]) == (
        "applied",
        {"passed": 0, "total": 4},
        {"passed": 4, "total": 4},
    )
    assert repair["fixed"] == [f"test_number[{n}]" for n in range(100, 104)]
    after.result.stdout.fnmatch_lines(["routine.md: applied", f"  +{RULE}", "*= 4 repaired in *"])
    assert "FAILED" not in after.text
    assert broken.run().code == 0


def test_the_meta_model_reads_what_pytest_prints_and_what_the_test_says(broken: Project) -> None:
    write_test(
        broken,
        "def test_deadline(routine):\n"
        "    # The policy says so.\n"
        "    assert '30 days' in routine.run(input='is it 14 days?').text, 'the deadline is wrong'\n",
    )
    broken.run("--metaprompt-fix")
    asked = broken.asked("big")[0]["messages"][-1]["content"]
    shown = json.loads(asked.partition("failing cases\nBEGIN-DATA")[2].partition("\n")[2].partition("END-DATA")[0])
    (example,) = shown[0]["examples"]
    assert example["id"] == "test_deadline"
    assert example["calls"] == [
        {"given": {"input": "is it 14 days?"}, "output": "The number is 14, thanks for asking!"}
    ]
    assert example["checks"][0]["expected"] == ["30 days"]
    assert "the deadline is wrong" in example["checks"][0]["message"]
    assert "assert '30 days' in 'The number is 14, thanks for asking!'" in example["checks"][0]["message"]
    assert "# The policy says so." in example["test"]


def test_tests_and_cases_of_a_suite_file_are_repaired_and_guarded_together(broken: Project) -> None:
    suite = "routine: routine.md\ntarget: {model: openai:small, base_url: BASE}\ncases:\n" + "".join(
        f"  - {{id: case-{n}, input: 'please take {n}', expect: '{n}'}}\n" for n in range(3)
    )
    broken.suite(suite)
    write_test(broken, NUMBERS)
    after = broken.run("--metaprompt-fix")
    assert after.code == 0
    assert repair_of(after)["after"] == {"passed": 7, "total": 7}
    after.result.stdout.fnmatch_lines(["*= 7 repaired in *"])


def test_a_text_that_tests_use_in_another_way_is_not_changed_behind_their_back(broken: Project) -> None:
    """A promptfoo prompt is a user message; for the test it is the system prompt, in which the patch would break it."""
    broken.write(prompt_dot_txt="You read numbers. {{message}}\n")
    config = "prompts: [file://prompt.txt]\nproviders: [{id: 'openai:chat:small', config: {apiBaseUrl: BASE}}]\n"
    tests = "".join(
        f"  - {{vars: {{message: take {n}}}, assert: [{{type: equals, value: '{n}'}}]}}\n" for n in range(100, 104)
    )
    text = f"{config}tests:\n{tests}".replace("BASE", broken.server.base_url)
    broken.write_bytes("promptfooconfig.yaml", text.encode())
    write_test(
        broken,
        "def test_polite(routine):\n    assert 'thanks' in routine.run('take 7', vars={'message': ''}).text\n",
    )
    path = broken.path / "test_numbers.py"
    path.write_text(path.read_text().replace("routine.md", "prompt.txt"))
    broken.target = lambda body: obeys_the_rule(
        {"messages": [{"role": "system", "content": str(body)}, *body["messages"]]}
    )
    env = {"OPENAI_API_KEY": "x", "OPENAI_BASE_URL": broken.server.base_url}
    after = broken.run(
        "--metaprompt-fix", "--metaprompt-meta=openai:big", "promptfooconfig.yaml", "test_numbers.py", env=env
    )
    assert after.files["prompt.txt"] == b"You read numbers. {{message}}\n"
    reason = next(one["reason"] for one in after.report["repairs"] if one["status"] == "rejected")
    assert reason.startswith("test_numbers.py has the same text as prompt.txt; its passing cases could break")
    assert not broken.asked("big")


def test_a_patch_that_breaks_a_passing_test_is_rejected_with_the_test_named(broken: Project) -> None:
    write_test(broken, NUMBERS + "\ndef test_polite(routine):\n    assert 'thanks' in routine.run('take 7').text\n")
    after = broken.run("--metaprompt-fix")
    assert_untouched(after)
    assert repair_of(after)["status"] == "rejected"
    assert repair_of(after)["proposals"][0]["reason"] == "breaks 'test_polite'"
    after.result.assert_outcomes(passed=1, failed=4)


def test_twenty_tests_are_split_and_the_held_out_ones_are_never_shown(broken: Project) -> None:
    write_test(broken, NUMBERS, count=24)
    after = broken.run("--metaprompt-fix")
    assert after.code == 0
    assert repair_of(after)["holdout"] == {"fixed": 6, "broken": 0, "total": 6}
    journal = [json.loads(line) for line in (broken.path / ".metaprompt" / "journal.jsonl").read_text().splitlines()]
    held = next(entry["holdout"] for entry in journal if entry["event"] == "split")
    asked = json.dumps(broken.asked("big"))
    assert not [key for key in held if key in asked or f"take {key[12:15]}" in asked]


def test_a_run_under_a_proposal_has_fresh_fixtures_and_shows_the_proposals_text(broken: Project) -> None:
    write_test(
        broken,
        """
def note(text):
    with open("log.txt", "a") as log:
        log.write(text + " ")

@pytest.fixture(scope="module")
def shared():
    note("up")
    yield
    note("down")

@pytest.fixture
def fresh(tmp_path):
    (tmp_path / "new").mkdir()
    yield []
    note("gone")

class TestIt:
    def test_it(self, routine, shared, fresh, capsys):
        assert not fresh and not hasattr(self, "seen")
        fresh.append(1)
        self.seen = True
        note("new" if "RULE" in routine.text else "old")
        print("printed by a run")
        assert routine.run("please take 5").text == "5"
""".replace("RULE", RULE),
    )
    after = broken.run("--metaprompt-fix")
    assert after.code == 0
    # The test run; then the probe under the old text and the race under the new one. Later stages know all that.
    assert (broken.path / "log.txt").read_text() == "up old gone down up old gone new gone down "
    assert "printed by a run" not in after.text


def test_nothing_of_the_runs_in_a_repair_disturbs_what_pytest_counts_and_prints(broken: Project) -> None:
    write_test(
        broken,
        """
import warnings

@pytest.fixture(scope="session", autouse=True)
def loud():
    yield
    print("a loud teardown")

@pytest.mark.parametrize("number", range(3))
def test_number(routine, number):
    warnings.warn("mind the gap")
    print("some output")
    assert routine.run(f"please take {number}").text == str(number)

def test_plain():
    pass
""",
    )
    after = broken.run("--metaprompt-fix", "--junitxml=junit.xml")
    assert after.code == 0
    after.result.stdout.fnmatch_lines(["*= 1 passed, 3 warnings, 3 repaired in *"])
    assert after.text.count("UserWarning: mind the gap") == 1
    assert "some output" not in after.text
    assert "a loud teardown" not in after.text
    assert after.files["junit.xml"].count(b"<testcase") == 4


def test_async_tests_are_run_again_too(broken: Project) -> None:
    write_test(
        broken,
        """
@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.mark.anyio
@pytest.mark.parametrize("number", range(3))
async def test_number(routine, number):
    assert (await routine.arun(f"please take {number}")).text == str(number)
""",
    )
    after = broken.run("--metaprompt-fix")
    assert (after.code, repair_of(after)["after"]) == (0, {"passed": 3, "total": 3})


def test_conversations_are_run_again_from_their_beginning(broken: Project) -> None:
    write_test(
        broken,
        """
def test_talk(routine):
    chat = routine.chat()
    assert chat.send("please take 5").text == "5"
    assert chat.send("and now 6").text == "6"
""",
    )
    after = broken.run("--metaprompt-fix")
    assert after.code == 0
    last = broken.asked("small")[-1]["messages"]
    assert [message["content"] for message in last[1:]] == ["please take 5", "5", "and now 6"]


def test_a_test_that_is_run_several_times_is_measured_as_often(broken: Project) -> None:
    write_test(broken, NUMBERS.replace("@pytest", "@pytest.mark.metaprompt(repeat=3, min_pass=2)\n@pytest", 1), count=2)
    after = broken.run("--metaprompt-fix")
    assert after.code == 0
    asked = [body for body in broken.asked("small") if RULE in system_of(body)]
    assert len(asked) == 2 * 3


def test_an_app_that_calls_the_model_itself_is_repaired_through_the_text(broken: Project) -> None:
    broken.write(app_dot_py=f"def answer(system, question):\n    return question if {RULE!r} in system else 'hm'\n")
    write_test(
        broken,
        "import app\n\n"
        "@pytest.mark.parametrize('word', ['a', 'b', 'c'])\n"
        "def test_app(routine, word):\n    assert app.answer(routine.text, word) == word\n",
    )
    after = broken.run("--metaprompt-fix")
    assert after.code == 0
    assert repair_of(after)["fixed"] == ["test_app[a]", "test_app[b]", "test_app[c]"]
    # Nobody saw what the app's model said, so nobody knows that it will say it again.
    assert '"mode": "noisy"' in (broken.path / ".metaprompt" / "journal.jsonl").read_text()
    assert not broken.asked("small")


def test_a_flaky_test_is_named_and_neither_fixed_nor_guarded(broken: Project) -> None:
    turn = itertools.count()

    def target(body: Body) -> str:
        if "77" in str(body["messages"]):
            return "77" if next(turn) % 2 else "hm"
        return obeys_the_rule(body)

    broken.target = target
    write_test(broken, NUMBERS + "\ndef test_flaky(routine):\n    assert routine.run('take 77').text == '77'\n")
    after = broken.run("--metaprompt-fix")
    assert repair_of(after)["flaky"] == ["test_flaky"]
    assert repair_of(after)["status"] == "applied"


def test_an_error_under_a_proposal_is_no_decision_and_nothing_is_written(broken: Project) -> None:
    broken.target = lambda body: Fault.status(400, "gone") if RULE in system_of(body) else obeys_the_rule(body)
    write_test(broken, NUMBERS)
    after = broken.run("--metaprompt-fix")
    assert_untouched(after)
    assert "indecisive: test_number[1" in repair_of(after)["reason"]


def test_an_exception_of_the_test_under_a_proposal_is_no_decision_either(broken: Project) -> None:
    write_test(
        broken,
        "def test_it(routine):\n    text = routine.run('take 5').text\n"
        "    if text == '5':\n        raise OSError('no disk')\n    assert text == '5'\n",
    )
    after = broken.run("--metaprompt-fix")
    assert_untouched(after)
    assert "OSError: no disk" in repair_of(after)["reason"]


def test_the_budget_ends_a_repair_of_tests(broken: Project) -> None:
    write_test(broken, "@pytest.mark.metaprompt(fix={'budget': {'calls': 3}})\n" + NUMBERS)
    after = broken.run("--metaprompt-fix")
    assert_untouched(after)
    assert repair_of(after)["status"] == "budget"
    assert repair_of(after)["calls"]["target"] <= 3


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (["-k", "100"], "3 of 4 cases were not run"),
        (["test_numbers.py::test_number"], "only some tests of test_numbers.py were collected"),
        (["--deselect", "test_numbers.py::test_number[103]"], "1 of 4 cases were not run"),
    ],
)
def test_a_selection_is_not_repaired(broken: Project, args: list[str], reason: str) -> None:
    write_test(broken, NUMBERS)
    after = broken.run("--metaprompt-fix", *args)
    assert_untouched(after)
    assert reason in repair_of(after)["reason"]
    assert not broken.asked("big")


def test_last_failed_is_not_repaired_when_it_leaves_files_out(broken: Project) -> None:
    write_test(broken, NUMBERS)
    write_test(broken, "def test_polite(routine):\n    assert routine.run('take 7').text\n", name="test_polite.py")
    broken.run()
    after = broken.run("--metaprompt-fix", "--lf")
    assert_untouched(after)
    assert "--lf left whole files out" in repair_of(after)["reason"]


def test_a_test_kept_out_of_repairs_is_never_run_again(broken: Project) -> None:
    write_test(
        broken,
        NUMBERS
        + """
@pytest.mark.metaprompt(repair=False)
def test_pays(routine):
    with open("paid.txt", "a") as paid:
        paid.write("once ")
    assert routine.run("please take 500").text == "500"
""",
    )
    after = broken.run("--metaprompt-fix")
    assert (broken.path / "paid.txt").read_text() == "once "
    assert repair_of(after)["status"] == "applied"
    assert repair_of(after)["after"] == {"passed": 4, "total": 4}
    assert after.code == 1, "nobody knows whether it passes now"
    after.result.stdout.fnmatch_lines(["FAILED test_numbers.py::test_pays*", "*1 failed, 4 repaired*"])


def test_only_tests_that_must_not_run_again_leave_nothing_to_repair(broken: Project) -> None:
    write_test(broken, "@pytest.mark.metaprompt(repair=False)\n" + NUMBERS)
    after = broken.run("--metaprompt-fix")
    assert_untouched(after)
    assert "kept out of repairs" in repair_of(after)["reason"]


def test_skipped_and_expected_failures_are_no_subjects(broken: Project) -> None:
    write_test(
        broken,
        NUMBERS
        + """
@pytest.mark.skip
def test_skipped(routine):
    routine.run("take 1")

@pytest.mark.xfail
def test_known(routine):
    assert routine.run("take 2").text == "3"

@pytest.mark.xfail(strict=True)
def test_better_than_known(routine):
    routine.run("take 3")
""",
    )
    after = broken.run("--metaprompt-fix")
    assert after.code == 1, "because of the test that was expected to fail"
    assert repair_of(after)["after"] == {"passed": 4, "total": 4}
    after.result.assert_outcomes(skipped=1, xfailed=1, failed=1)


def test_a_patch_that_copies_what_a_test_compares_with_is_refused(broken: Project) -> None:
    broken.meta = lambda body: envelope(append("If asked for the deadline, say: within thirty days."))
    write_test(broken, "def test_it(routine):\n    assert 'within thirty days' in routine.run('is it 14 days?').text\n")
    after = broken.run("--metaprompt-fix")
    assert_untouched(after)
    assert "copies the expected answer of 'test_it'" in repair_of(after)["proposals"][0]["reason"]


def test_a_patch_that_copies_what_a_later_call_of_a_test_gave_is_refused(broken: Project) -> None:
    said = "my cat sat on the keyboard and ordered seven lamps"
    broken.meta = lambda body: envelope(append(f"If someone writes: {said}, answer 7."))
    write_test(
        broken,
        f"def test_it(routine):\n    routine.run('take 5')\n    assert routine.run('take 7, {said}').text == '7'\n",
    )
    after = broken.run("--metaprompt-fix")
    assert_untouched(after)
    assert "copies the text of 'test_it'" in repair_of(after)["proposals"][0]["reason"]


def test_mode_diff_shows_the_patch_and_the_tests_still_fail(broken: Project) -> None:
    write_test(broken, NUMBERS)
    after = broken.run("--metaprompt-fix-mode=diff")
    assert_untouched(after)
    assert repair_of(after)["status"] == "proposed"
    after.result.assert_outcomes(failed=4)


def test_a_module_fixture_that_breaks_in_its_last_teardown_is_told(broken: Project) -> None:
    write_test(
        broken,
        """
@pytest.fixture(scope="module")
def fragile(request):
    yield
    if getattr(request.config, "seen", False):
        raise OSError("cannot close")
    request.config.seen = True

@pytest.mark.parametrize("number", [1, 2])
def test_number(routine, number, fragile):
    assert routine.run(f"please take {number}").text == str(number)
""",
    )
    after = broken.run("--metaprompt-fix")
    assert after.code == 0
    assert "a fixture failed in its teardown after the repair: OSError: cannot close" in after.text


def test_tests_of_two_modules_take_turns_with_their_own_module_fixtures(broken: Project) -> None:
    for name in ("one", "two"):
        write_test(
            broken,
            f"""
@pytest.fixture(scope="module")
def module_name():
    return "{name}"

@pytest.mark.parametrize("number", [1, 2])
def test_number(routine, number, module_name):
    assert __name__ == f"test_{{module_name}}"
    assert routine.run(f"{name} takes {{number}}").text == str(number)
""",
            name=f"test_{name}.py",
        )
    after = broken.run("--metaprompt-fix")
    assert after.code == 0
    fixed = repair_of(after)["fixed"]
    assert fixed[0] == "test_one.py::test_number[1]"
    assert len(fixed) == 4


def test_a_repair_is_counted_in_the_ledger_and_never_asks_twice(broken: Project) -> None:
    write_test(broken, NUMBERS)
    after = broken.run("--metaprompt-fix")
    asked = [json.dumps(body) for body in broken.asked("small")]
    # Four for the tests, four for the probe, four under the new text: the probe alone repeats questions, on purpose.
    assert (len(asked), len(set(asked))) == (12, 8)
    assert after.report["usage"]["calls"] == len(asked) + len(broken.asked("big"))
    assert repair_of(after)["calls"] == {"target": 8, "meta": 1}
    assert number_of(broken.asked("small")[0]) == "100"


def test_an_interrupt_while_a_test_is_run_again_ends_the_session_and_writes_nothing(broken: Project) -> None:
    write_test(
        broken,
        "import os, signal\n\ndef test_it(routine):\n    text = routine.run('take 5').text\n"
        "    if text == '5':\n        os.kill(os.getpid(), signal.SIGINT)\n    assert text == '5'\n",
    )
    after = broken.run("--metaprompt-fix", own_process=True)
    assert after.code == 2
    assert after.files["routine.md"] == ROUTINE.encode()
    assert "KeyboardInterrupt" in after.text
    assert "INTERNALERROR" not in after.text


def test_a_routine_that_is_a_constant_of_a_module_is_repaired_in_its_place(broken: Project) -> None:
    broken.write(prompts_dot_py='"""Prompts."""\n\nNUMBERS = "You read numbers."  # keep me\n')
    write_test(broken, "@pytest.mark.metaprompt('prompts.py:NUMBERS')\n" + NUMBERS)
    after = broken.run("--metaprompt-fix")
    assert after.code == 0
    written = after.files["prompts.py"].decode()
    assert written.startswith('"""Prompts."""\n\nNUMBERS = ')
    assert RULE in written
    assert "# keep me" in written


def test_python_tests_take_no_part_in_baselines(broken: Project) -> None:
    write_test(broken, NUMBERS)
    after = broken.run("--metaprompt-save-baseline=base.json")
    assert json.loads(after.files["base.json"])["suites"] == {}
    after = broken.run("--metaprompt-baseline=base.json")
    assert "not compared with the baseline" not in after.text
    assert len(broken.asked("small")) == 8, "no test is asked for more than its own run"


def test_a_repair_edited_in_a_review_is_measured_on_the_tests(broken: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    pexpect = pytest.importorskip("pexpect")
    for name in ("CI", "PYTEST_ADDOPTS", "VISUAL"):
        monkeypatch.delenv(name, raising=False)
    editor = broken.write_bytes("better.sh", b"#!/bin/sh\necho 'Really.' >> $1\n")
    editor.chmod(0o755)
    monkeypatch.setenv("EDITOR", str(editor))
    write_test(broken, NUMBERS)
    child = broken.pytester.spawn_pytest("--metaprompt-fix-mode=review -p no:cacheprovider", expect_timeout=60)
    for question, answer in (("[e]dit: ", "e"), ("[e]dit: ", "y")):
        child.expect_exact(question)
        child.sendline(answer)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert (broken.path / "routine.md").read_text().endswith(f"{RULE}\nReally.\n")
    assert any("Really." in system_of(body) for body in broken.asked("small"))
