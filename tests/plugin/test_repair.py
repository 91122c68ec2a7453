"""Repairs as users meet them: what is written, what is not, and what is said about it."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from typing import Any

import pytest

from pytest_metaprompt.testing import Fault, completion
from tests.conftest import RULE, After, Body, Project, append, envelope, number_of, obeys_the_rule, system_of, user_of

ROUTINE = "# Numbers\n\nYou read numbers in a customer's message.\nBe polite.\n"
HEAD = """\
routine: routine.md
target: {model: openai:small, base_url: BASE}
meta: {model: openai:big, base_url: BASE}
objective: Read the number in a message.
cases:
"""


def cases(count: int) -> str:
    return "".join(f'  - {{id: case-{n}, input: "please take {100 + n}", expect: "{100 + n}"}}\n' for n in range(count))


@pytest.fixture
def broken(project: Project) -> Project:
    """24 cases that all fail, and a meta model that knows why."""
    project.write_bytes("routine.md", ROUTINE.encode())
    project.suite(HEAD + cases(24))
    project.target = obeys_the_rule
    project.meta = lambda body: envelope(append(RULE))
    return project


def repair_of(after: After) -> Any:
    assert len(after.report["repairs"]) == 1
    return after.report["repairs"][0]


def assert_untouched(after: After, routine: str = ROUTINE) -> None:
    assert after.files["routine.md"] == routine.encode()
    assert after.code == 1


def test_a_good_patch_is_written_and_everything_passes(broken: Project) -> None:
    after = broken.run("--metaprompt-fix")
    assert after.code == 0
    assert after.files["routine.md"].decode() == ROUTINE.rstrip("\n") + f"\n{RULE}\n"
    repair = repair_of(after)
    assert repair["status"] == "applied"
    assert (repair["before"], repair["after"]) == ({"passed": 0, "total": 24}, {"passed": 24, "total": 24})
    assert repair["holdout"] == {"fixed": 6, "broken": 0, "total": 6}
    assert len(repair["fixed"]) == 24
    assert repair["calls"]["meta"] == 1
    after.result.stdout.fnmatch_lines(
        [
            "routine.md: round 1: reflect looks at 18 failing cases [[]*calls]",
            "routine.md: applied",
            "  before    0/24 passed",
            "  after     24/24 passed (McNemar's exact test: p = *)",
            "  broken    none",
            "  hold-out  6 fixed, 0 broken of 6 cases that no proposer saw",
            f"  +{RULE}",
            "*24 repaired*",
        ]
    )
    assert broken.run().code == 0


def test_the_best_measured_text_is_written_and_never_the_last_one_or_one_that_was_not_measured(
    broken: Project,
) -> None:
    """Loops that keep the last rewrite went from 100 to 82 percent, and once stored one that nobody had evaluated."""

    def target(body: Body) -> str:
        hopeless = int(number_of(body)) >= 121
        return "sorry" if hopeless else obeys_the_rule(body)

    def meta(body: Body) -> str:
        rewrite = {"messages": [{"message": 0, "text": f"# Numbers\n\nYou read numbers. Version {next(versions)}."}]}
        return envelope(append(RULE) if len(broken.asked("big")) == 1 else rewrite)

    versions = iter(range(100))
    broken.target, broken.meta = target, meta
    after = broken.run("--metaprompt-fix")
    written = after.files["routine.md"].decode()
    assert written == ROUTINE.rstrip("\n") + f"\n{RULE}\n"
    assert len(broken.asked("big")) > 3, "worse rewrites came later"
    measured = {user_of(body) for body in broken.asked("small") if system_of(body) == written.rstrip("\n")}
    assert measured == {f"please take {number}" for number in range(100, 124)}


SEES = """
import pathlib

class Sees:
    async def propose(self, state):
        keys = [one.subject.key for one in (*state.failing, *state.passing)]
        pathlib.Path("seen.txt").write_text(" ".join(keys))
        return []

def pytest_metaprompt_proposers():
    return {"sees": Sees()}
"""


def test_no_proposer_is_ever_given_a_held_out_case_whether_it_fails_or_passes(broken: Project) -> None:
    broken.write(conftest_dot_py=SEES)
    broken.target = lambda body: obeys_the_rule(body) if int(number_of(body)) % 2 else number_of(body)
    after = broken.run("--metaprompt-fix")
    journal = [json.loads(line) for line in (broken.path / ".metaprompt" / "journal.jsonl").read_text().splitlines()]
    [split] = [entry for entry in journal if entry["event"] == "split"]
    assert len(split["holdout"]) == 6
    assert set(after.files["seen.txt"].decode().split()) == set(split["train"])


def test_the_meta_model_never_sees_a_held_out_case(broken: Project) -> None:
    repair = repair_of(broken.run("--metaprompt-fix"))
    journal = [json.loads(line) for line in (broken.path / ".metaprompt" / "journal.jsonl").read_text().splitlines()]
    held = next(entry["holdout"] for entry in journal if entry["event"] == "split")
    asked = json.dumps(broken.asked("big"))
    assert len(held) == repair["holdout"]["total"] == 6
    assert not [key for key in held if f'{key}\\"' in asked or f"take {100 + int(key.split('-')[1])}" in asked]


def test_nothing_is_written_without_the_option(broken: Project) -> None:
    assert_untouched(broken.run())
    assert not broken.asked("big")


def test_mode_diff_prints_the_patch_and_writes_nothing(broken: Project) -> None:
    after = broken.run("--metaprompt-fix-mode=diff")
    assert_untouched(after)
    assert repair_of(after)["status"] == "proposed"
    assert f"+{RULE}" in repair_of(after)["diff"]
    after.result.stdout.fnmatch_lines([f"  +{RULE}", "*24 failed*"])


def test_exit_non_zero_on_fix(broken: Project) -> None:
    after = broken.run("--metaprompt-fix", "--metaprompt-exit-non-zero-on-fix")
    assert after.code == 1
    assert repair_of(after)["status"] == "applied"


def test_a_patch_that_fixes_three_and_breaks_one_is_rejected_with_the_broken_case_named(broken: Project) -> None:
    def target(body: Body) -> str:
        number, obeys = number_of(body), RULE in system_of(body)
        if number in ("100", "101", "102"):
            return number if obeys else "sorry"
        return "sorry" if obeys and number == "105" else number

    broken.target = target
    broken.suite(HEAD + cases(12))
    after = broken.run("--metaprompt-fix")
    assert_untouched(after)
    repair = repair_of(after)
    assert repair["status"] == "rejected"
    assert repair["proposals"][0]["reason"] == "breaks 'case-5'"
    assert repair["broken"] == ["case-5"]
    assert "breaks 'case-5'" in after.text
    assert "in-sample" in after.text


@pytest.mark.parametrize(
    ("proposal", "reason"),
    [
        (
            {"messages": [{"message": 0, "text": "# Numbers\n\nYou read numbers." + RULE}]},
            "drops the placeholder {{who}}",
        ),
        (append("If in doubt, answer: the parcel is on its way."), "copies the expected answer of 'long'"),
        ({"messages": [{"message": 0, "text": "Fixed it for {{who}}."}]}, "shrinks from"),
        (append("Certainly.\n```"), "stray code fence"),
    ],
)
def test_a_patch_that_must_not_be_is_refused_without_a_single_target_call(
    broken: Project, proposal: dict[str, Any], reason: str
) -> None:
    broken.write_bytes(
        "routine.md", (ROUTINE + "You talk to {{who}}, who is in a hurry and wants short words.\n").encode()
    )
    text = HEAD.replace("cases:", "defaults: {vars: {who: Ada}}\ncases:") + cases(6)
    broken.suite(text + "  - {id: long, input: 'where is 7', expect: 'The parcel is on its way'}\n")
    broken.meta = lambda body: envelope({"hypothesis": "h", **proposal})
    before = (broken.path / "routine.md").read_bytes()
    after = broken.run("--metaprompt-fix")
    assert after.code == 1
    assert after.files["routine.md"] == before
    assert repair_of(after)["status"] == "rejected"
    assert reason in repair_of(after)["proposals"][0]["reason"]
    systems = {system_of(body) for body in broken.asked("small")}
    assert len(systems) == 1, "only the routine as it stands was ever asked"


@pytest.mark.parametrize(
    ("answer", "status", "line"),
    [
        (
            "I think the prompt is fine as it is.",
            "error",
            "the meta model gave no usable answer: the answer holds no complete JSON object",
        ),
        (Fault.status(500, "boom"), "error", "the meta model gave no usable answer: "),
        (
            envelope(verdict="test_is_wrong", reason="nobody can know"),
            "rejected",
            "the meta model answers test_is_wrong: nobody can know",
        ),
        (
            envelope({"hypothesis": "h", "edits": [{"message": 0, "op": "replace", "anchor": "no such", "text": "x"}]}),
            "error",
            "the anchor",
        ),
    ],
)
def test_a_meta_model_that_is_of_no_use_leaves_the_file_alone(
    broken: Project, answer: Any, status: str, line: str
) -> None:
    broken.meta = lambda body: answer
    after = broken.run("--metaprompt-fix")
    assert_untouched(after)
    assert repair_of(after)["status"] == status
    assert line in after.text
    assert "Traceback" not in after.text


def test_a_meta_model_that_hangs_is_given_up(broken: Project) -> None:
    broken.suite((HEAD + cases(6)).replace("openai:big,", "openai:big, timeout_s: 1,"))
    broken.meta = lambda body: Fault.hang()
    after = broken.run("--metaprompt-fix")
    assert_untouched(after)
    assert "timed out after 1 s" in after.text


def test_a_nonsense_answer_gets_one_chance_to_be_put_right(broken: Project) -> None:
    answers = iter(["oops", envelope(append(RULE))])
    broken.meta = lambda body: next(answers)
    after = broken.run("--metaprompt-fix")
    assert repair_of(after)["status"] == "applied"
    assert "That answer cannot be used" in broken.asked("big")[1]["messages"][-1]["content"]


def test_a_server_without_structured_output_is_asked_for_it_once(broken: Project) -> None:
    answers = iter(["oops", envelope(append(RULE))])
    refusal = json.dumps({"error": {"message": "response_format is not supported by this model"}})
    broken.meta = lambda body: Fault.status(400, refusal) if "response_format" in body else next(answers)
    after = broken.run("--metaprompt-fix")
    assert repair_of(after)["status"] == "applied"
    assert ["response_format" in body for body in broken.asked("big")] == [True, False, False]


MISFIT = {"hypothesis": "misfit", "edits": [{"message": 0, "op": "delete", "anchor": "not in it"}]}


@pytest.mark.parametrize("second", [envelope(append(RULE), MISFIT), envelope(MISFIT), "oops"])
def test_an_anchor_that_never_fits_drops_its_proposal_alone_and_is_journalled(broken: Project, second: str) -> None:
    answers = iter([envelope(append(RULE), MISFIT), second])
    broken.meta = lambda body: next(answers)
    after = broken.run("--metaprompt-fix")
    assert repair_of(after)["status"] == "applied"
    journal = (broken.path / ".metaprompt" / "journal.jsonl").read_text()
    assert [(json.loads(line)["hypothesis"]) for line in journal.splitlines() if "stands 0 times" in line] == ["misfit"]
    refused = [one for one in repair_of(after)["proposals"] if one["hypothesis"] == "misfit"]
    assert [one["decision"] for one in refused] == ["rejected"]


def test_a_server_that_knows_no_structured_output_is_asked_without_and_replays_so(broken: Project) -> None:
    refusal = Fault.status(400, "Invalid request")
    broken.meta = lambda body: refusal if "response_format" in body else envelope(append(RULE))
    after = broken.run("--metaprompt-fix", "--metaprompt-record=once")
    assert repair_of(after)["status"] == "applied"
    (broken.path / "routine.md").write_text(ROUTINE)
    broken.meta = broken.target = lambda body: Fault.status(500, "nobody is here")
    again = broken.run("--metaprompt-fix", "--metaprompt-record=none")
    assert again.files["routine.md"] == after.files["routine.md"]


def test_a_case_that_passes_when_it_is_asked_again_is_told_as_flaky(broken: Project) -> None:
    broken.suite(HEAD + cases(4))
    asked: list[str] = []

    def wavering(body: Body) -> str:
        asked.append(number_of(body))
        return "?" if number_of(body) == "103" and asked.count("103") % 2 else number_of(body)

    broken.target = wavering
    after = broken.run("--metaprompt-fix")
    assert_untouched(after)
    assert repair_of(after)["flaky"] == ["case-3"]


def test_a_patch_that_memorises_the_training_inputs_is_stopped_by_the_hold_out(broken: Project) -> None:
    def by_heart(body: Body) -> str:
        number = number_of(body)
        return number if f"<{number}>" in system_of(body) or int(number) >= 112 else "sorry"

    def memorise(body: Body) -> str:
        seen = json.dumps(body)
        return envelope(append(" ".join(f"<{n}>" for n in range(100, 124) if f"take {n}" in seen)))

    broken.target, broken.meta = by_heart, memorise
    after = broken.run("--metaprompt-fix")
    assert_untouched(after)
    assert repair_of(after)["status"] == "rejected"
    assert "hold-out: does not generalise" in repair_of(after)["reason"]
    assert "hold-out: does not generalise" in after.text


def test_newlines_mark_mode_and_symlink_are_kept(broken: Project) -> None:
    (broken.path / "routine.md").unlink()
    raw = b"\xef\xbb\xbf" + ROUTINE.replace("\n", "\r\n").encode()
    real = broken.write_bytes("real/routine.md", raw)
    real.chmod(0o640)
    (broken.path / "routine.md").symlink_to("real/routine.md")
    after = broken.run("--metaprompt-fix")
    assert after.code == 0
    assert real.read_bytes() == raw.rstrip() + b"\r\n" + RULE.encode() + b"\r\n"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert (broken.path / "routine.md").is_symlink()


def test_a_character_that_the_files_encoding_lacks_is_refused_before_any_call_and_the_encoding_is_kept(
    broken: Project,
) -> None:
    raw = "# Zahlen\n\nDu liest Zahlen für uns.\n".encode("latin-1")
    broken.write_bytes("routine.md", raw)
    broken.meta = lambda body: envelope(append(f"→ {RULE}"), append(f"Höflich. {RULE}"))
    after = broken.run("--metaprompt-fix")
    assert after.files["routine.md"] == raw + f"Höflich. {RULE}\n".encode("latin-1")
    first, *_ = repair_of(after)["proposals"]
    assert "refused before any call: could not be written: " in first["reason"]
    assert "is encoded in cp1252, which cannot hold '→'" in first["reason"]
    assert "→" not in json.dumps(broken.asked("small"), ensure_ascii=False)


def test_an_answer_of_the_meta_model_that_was_cut_off_is_not_used(broken: Project) -> None:
    broken.meta = lambda body: completion(envelope(append(RULE)), finish_reason="length")
    after = broken.run("--metaprompt-fix")
    assert_untouched(after)
    assert "the answer was cut off at its length limit" in repair_of(after)["reason"]


def test_a_file_changed_during_the_run_is_not_overwritten(broken: Project) -> None:
    def meddle(body: Body) -> str:
        (broken.path / "routine.md").write_text("mine now\n", encoding="utf-8")
        return envelope(append(RULE))

    broken.meta = meddle
    after = broken.run("--metaprompt-fix")
    assert_untouched(after, "mine now\n")
    assert repair_of(after)["status"] == "error"
    assert "changed while the repair ran, so it was not overwritten" in after.text


def git(project: Project, *args: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *identity, *args], cwd=project.path, check=True, capture_output=True)


def test_an_uncommitted_change_needs_allow_dirty(broken: Project) -> None:
    git(broken, "init")
    git(broken, "add", "routine.md")
    git(broken, "commit", "-m", "one")
    (broken.path / "routine.md").write_text(ROUTINE + "More.\n", encoding="utf-8")
    after = broken.run("--metaprompt-fix")
    assert_untouched(after, ROUTINE + "More.\n")
    assert repair_of(after)["status"] == "rejected"
    assert "has uncommitted changes in git; commit them, or pass --metaprompt-allow-dirty" in after.text
    assert not broken.asked("big")
    assert broken.run("--metaprompt-fix", "--metaprompt-allow-dirty").code == 0


def test_a_committed_file_is_repaired(broken: Project) -> None:
    git(broken, "init")
    git(broken, "add", "routine.md")
    git(broken, "commit", "-m", "one")
    assert broken.run("--metaprompt-fix").code == 0


@pytest.mark.parametrize("line", ["metaprompt_fix = true", "addopts = --metaprompt-fix"])
def test_ci_writes_only_if_the_command_line_says_fix(broken: Project, line: str) -> None:
    broken.write(pytest_dot_ini=f"[pytest]\n{line}\n")
    after = broken.run(env={"CI": "true"})
    assert_untouched(after)
    assert "CI is set and --metaprompt-fix is not on the command line" in after.text
    assert broken.run("--metaprompt-fix", env={"CI": "true"}).code == 0


def test_a_selection_is_not_repaired_because_the_rest_could_break(broken: Project) -> None:
    after = broken.run("--metaprompt-fix", "-k", "case-3")
    assert_untouched(after)
    assert "cases were not run, and a repair is proved on all of them" in after.text


def test_the_call_budget_is_hard(broken: Project) -> None:
    broken.suite(HEAD.replace("cases:", "fix: {budget: {calls: 10}}\ncases:") + cases(24))
    after = broken.run("--metaprompt-fix")
    assert_untouched(after)
    repair = repair_of(after)
    assert repair["status"] == "budget"
    assert repair["calls"]["target"] + repair["calls"]["meta"] == 10
    assert len(broken.server.requests) == 24 + 10


def test_a_budget_in_dollars_is_never_satisfied_by_an_unknown_price(broken: Project) -> None:
    broken.suite(HEAD.replace("cases:", "fix: {budget: {usd: 1.0}}\ncases:") + cases(6))
    after = broken.run("--metaprompt-fix")
    assert_untouched(after)
    assert repair_of(after)["status"] == "budget"
    assert "no price is known for openai:small" in after.text
    assert len(broken.server.requests) == 6


def test_a_run_that_stops_early_is_not_repaired(broken: Project) -> None:
    after = broken.run("--metaprompt-fix", "-x")
    assert_untouched(after)
    assert "not repaired: the run was stopped before its end" in after.text
    assert not broken.asked("big")


def test_a_journal_that_cannot_be_written_stops_the_repair_with_a_clear_line(broken: Project) -> None:
    broken.write_bytes(".metaprompt", b"a file where the folder should be")
    after = broken.run("--metaprompt-fix")
    assert_untouched(after)
    assert repair_of(after)["status"] == "error"
    assert "cannot write the journal in" in after.text
    assert "INTERNALERROR" not in after.text


def test_repeated_attempts_are_measured_under_the_new_routine_too(broken: Project) -> None:
    broken.suite(HEAD.replace("cases:", "repeat: 3\ncases:") + cases(24))
    after = broken.run("--metaprompt-fix")
    assert after.code == 0
    assert repair_of(after)["after"] == {"passed": 24, "total": 24}
    written = after.files["routine.md"].decode().strip()
    assert len([body for body in broken.asked("small") if system_of(body) == written]) == 3 * 24


def test_a_budget_that_ends_in_the_last_count_blames_no_case(broken: Project) -> None:
    text = HEAD.replace("cases:", "repeat: 3\nfix: {budget: {calls: 45}}\ncases:")
    broken.suite(text + cases(24))
    after = broken.run("--metaprompt-fix")
    repair = repair_of(after)
    assert (repair["status"], repair["broken"], repair["after"]["passed"]) == ("applied", [], 24)
    assert repair["calls"]["target"] + repair["calls"]["meta"] == 45


def test_a_routine_that_passes_is_left_alone(broken: Project) -> None:
    broken.target = number_of
    after = broken.run("--metaprompt-fix")
    assert after.code == 0
    assert repair_of(after)["status"] == "not_needed"
    assert not broken.asked("big")


def test_without_a_meta_model_the_way_out_is_named(broken: Project) -> None:
    broken.suite((HEAD + cases(6)).replace("meta: {model: openai:big, base_url: BASE}\n", ""))
    after = broken.run("--metaprompt-fix")
    assert_untouched(after)
    assert "set meta: in the suite, or pass --metaprompt-meta" in after.text


def test_a_routine_shared_by_two_suites_is_held_to_the_cases_of_both(broken: Project) -> None:
    def target(body: Body) -> str:
        return "moo" if RULE in system_of(body) and "cow" in user_of(body) else obeys_the_rule(body)

    broken.target = target
    broken.suite(
        HEAD + "  - {id: cow, input: 'the cow says 5', assert: [{type: contains, value: '5'}]}\n", name="other"
    )
    after = broken.run("--metaprompt-fix")
    assert_untouched(after)
    assert "breaks 'cow'" in after.text


def test_a_suite_that_shares_the_routine_and_was_not_collected_is_named_in_the_evidence(broken: Project) -> None:
    told = "not held against evals/other.metaprompt.yaml, which shares the routine and was not collected"
    other = HEAD.replace("routine.md", "../routine.md") + cases(1)
    broken.suite(other, name="evals/other")
    broken.suite(other.replace("routine.md", "elsewhere.md"), name="evals/elsewhere")
    broken.suite(other, name="node_modules/package/other")
    broken.write_bytes("evals/broken.metaprompt.yaml", b"routine: ../routine.md\n  cases: [")
    after = broken.run("--metaprompt-fix", "orders.metaprompt.yaml")
    assert repair_of(after)["status"] == "applied"
    assert repair_of(after)["reason"].endswith(f"; {told}")
    assert told in after.text


def test_ctrl_c_in_the_middle_of_a_repair_writes_nothing(broken: Project) -> None:
    import signal

    def interrupt(body: Body) -> Any:
        os.kill(pid[0], signal.SIGINT)
        return Fault.hang()

    pid: list[int] = []
    broken.write(conftest_dot_py="import os, pathlib\npathlib.Path('pid.txt').write_text(str(os.getpid()))\n")

    def meta(body: Body) -> Any:
        pid.append(int((broken.path / "pid.txt").read_text()))
        return interrupt(body)

    broken.meta = meta
    after = broken.run("--metaprompt-fix", own_process=True)
    assert after.code == 2
    assert after.files["routine.md"] == ROUTINE.encode()
    assert "Traceback" not in after.text
    assert after.report["suites"][0]["accuracy"]["total"] == 24


GREEN = "24/24 = 1.00 (0.86-1.00)"
PROMPTY = "---\nname: numbers\n---\nsystem:\nRead the number.\nuser:\n{{message}}\n"


def learns_from_turns(body: Body) -> str:
    """A target that gives the bare number once it was shown two times how."""
    shown = [message for message in body["messages"] if message["role"] == "assistant"]
    return number_of(body) if len(shown) >= 2 else "Here is your number."


def test_worked_examples_repair_a_chat_routine_without_a_meta_model_and_turn_its_gate_green(project: Project) -> None:
    project.write_bytes("routine.prompty", PROMPTY.encode())
    lines = "".join(
        f'  - {{id: case-{n}, vars: {{message: "send {100 + n} now"}}, expect: "{100 + n}"}}\n' for n in range(24)
    )
    head = (
        "routine: routine.prompty\ntarget: {model: openai:small, base_url: BASE}\ngate: {min_accuracy: 0.9}\ncases:\n"
    )
    project.suite(head + lines)
    project.target = learns_from_turns
    after = project.run("--metaprompt-fix")
    assert after.code == 0
    assert after.report["gates"] == [
        {"suite": "orders.metaprompt.yaml", "passed": True, "reasons": [f"accuracy {GREEN}, at least 0.9"]}
    ]
    assert repair_of(after)["holdout"] == {"fixed": 6, "broken": 0, "total": 6}
    assert after.report["suites"][0]["accuracy"]["passed"] == 0
    routine = after.files["routine.prompty"].decode()
    assert routine.startswith(PROMPTY.partition("user:")[0])
    assert routine.endswith("user:\n{{message}}\n")
    assert routine.count("assistant:") == 3
    journal = [json.loads(line) for line in (project.path / ".metaprompt" / "journal.jsonl").read_text().splitlines()]
    held = next(entry["holdout"] for entry in journal if entry["event"] == "split")
    assert not [key for key in held if f"send {100 + int(key.removeprefix('case-'))} " in routine]
    assert [entry["event"] for entry in journal][-2:] == ["end", "written"]
    again = project.run()
    assert again.code == 0
    again.result.assert_outcomes(passed=25)
