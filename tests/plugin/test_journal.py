"""The journal explained, and the last repair taken back."""

from __future__ import annotations

import json

import pytest

from tests.conftest import RULE, Body, Project, append, envelope, obeys_the_rule, system_of, user_of

SUITE = """\
routine: routine.md
target: {model: openai:small, base_url: BASE}
meta: {model: openai:big, base_url: BASE}
cases:
  - {id: a, input: "take 12", expect: "12"}
  - {id: b, input: "take 13", expect: "13"}
"""
OLD = b"You read numbers.\r\nBe brief.\r\n"


@pytest.fixture
def repaired(project: Project) -> Project:
    project.write_bytes("routine.md", OLD)
    project.suite(SUITE)
    project.target = obeys_the_rule
    project.meta = lambda body: envelope(append(RULE))
    assert project.run("--metaprompt-fix").code == 0
    return project


def test_the_journal_tells_what_was_tried_decided_and_written(repaired: Project) -> None:
    asked = len(repaired.server.requests)
    after = repaired.run("--metaprompt-journal")
    assert after.code == 0
    after.result.stdout.fnmatch_lines(
        [
            "20*  routine.md",
            "  2 training cases, 0 held out; replies are deterministic",
            "  round 1: reflect: the rule is missing",
            "    accepted: fixes 2 cases, breaks none; fixes a, b",
            "  end: no stable failure is left",
            "  written to *routine.md",
            "    +Answer with the number only.",
        ]
    )
    assert "began" not in after.text
    assert after.text.count("  routine.md\n") == 1
    assert len(repaired.server.requests) == asked


def test_the_last_repair_is_taken_back_byte_for_byte_and_only_once(repaired: Project) -> None:
    after = repaired.run("--metaprompt-revert")
    assert after.code == 0
    assert "-Answer with the number only." in after.text
    assert after.files["routine.md"] == OLD
    again = repaired.run("--metaprompt-revert")
    assert again.code == 4
    assert "the journal holds no repair that could be taken back" in again.text


def test_a_file_that_was_changed_since_is_left_alone(repaired: Project) -> None:
    repaired.write_bytes("routine.md", b"Mine.\n")
    after = repaired.run("--metaprompt-revert")
    assert after.code == 4
    assert "was changed since the repair of" in after.text
    assert after.files["routine.md"] == b"Mine.\n"


def test_without_a_journal_it_says_what_begins_one(project: Project) -> None:
    after = project.run("--metaprompt-journal")
    assert after.code == 4
    assert "there is no journal at" in after.text


def test_a_line_that_an_interruption_cut_off_is_passed_over(repaired: Project) -> None:
    journal = repaired.path / ".metaprompt" / "journal.jsonl"
    journal.write_text(journal.read_text() + '{"at": "2026')
    assert repaired.run("--metaprompt-journal").code == 0
    lines = journal.read_text().splitlines()
    journal.write_text("\n".join(["no entry", *lines[:-1]]))
    after = repaired.run("--metaprompt-journal")
    assert after.code == 4
    assert "journal.jsonl:1: this line is no entry of a journal" in after.text


def test_a_line_that_was_cut_off_does_not_swallow_the_next_repair(repaired: Project) -> None:
    journal = repaired.path / ".metaprompt" / "journal.jsonl"
    journal.write_bytes(journal.read_bytes() + b'{"at": "2026-11-24T18:00:00+00:00", "rou')
    repaired.write_bytes("routine.md", OLD)
    assert repaired.run("--metaprompt-fix").code == 0
    after = repaired.run("--metaprompt-revert")
    assert after.code == 0
    assert after.files["routine.md"] == OLD


@pytest.mark.parametrize("odd", ["\u2028", "\x85", "\x0b", "\ud800"])
def test_no_word_of_a_meta_model_makes_the_journal_unreadable(project: Project, odd: str) -> None:
    project.write_bytes("routine.md", OLD)
    project.suite(SUITE)
    project.target = obeys_the_rule
    project.meta = lambda body: envelope(append(RULE, hypothesis=f"it{odd}is not said"))
    assert project.run("--metaprompt-fix").code == 0
    assert project.run("--metaprompt-journal").code == 0
    assert project.run("--metaprompt-revert").files["routine.md"] == OLD


def test_a_text_with_a_line_separator_is_taken_back_like_any_other(project: Project) -> None:
    old = "You read numbers.\u2028Be brief.\n".encode()
    project.write_bytes("routine.md", old)
    project.suite(SUITE)
    project.target = obeys_the_rule
    project.meta = lambda body: envelope(append(RULE))
    assert project.run("--metaprompt-fix").code == 0
    assert project.run("--metaprompt-revert").files["routine.md"] == old


def test_a_repair_whose_writing_was_cut_off_leaves_nothing_to_take_back_and_does_not_hide_the_one_before(
    repaired: Project,
) -> None:
    """Killed between the journal's line and the file: the file is as it was."""
    journal = repaired.path / ".metaprompt" / "journal.jsonl"
    first = repaired.files()["routine.md"]
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    [written] = [entry for entry in lines if entry["event"] == "written"]
    cut_off = {**written, "before": written["after"], "after": written["after"] + "More.\n"}
    journal.write_text(journal.read_text() + json.dumps(cut_off) + "\n")
    after = repaired.run("--metaprompt-revert")
    assert after.files["routine.md"] == first
    assert "had not reached the file, so nothing was changed" in after.text
    assert repaired.run("--metaprompt-revert").files["routine.md"] == OLD


def test_a_journal_that_cannot_be_written_in_the_end_leaves_the_routine_as_it_was(project: Project) -> None:
    """What could not be taken back is not written."""
    project.write_bytes("routine.md", OLD)
    project.suite(SUITE.replace("cases:", "repeat: 2\ncases:"))
    asked: list[str] = []

    def target(body: Body) -> str:
        if RULE in system_of(body):
            asked.append(user_of(body))
            if len(asked) > len(
                set(asked)
            ):  # The decision is made; now every case is counted as often as the suite says.
                journal = project.path / ".metaprompt" / "journal.jsonl"
                journal.unlink(missing_ok=True)
                journal.mkdir(exist_ok=True)
        return obeys_the_rule(body)

    project.target = target
    project.meta = lambda body: envelope(append(RULE))
    after = project.run("--metaprompt-fix")
    assert after.files["routine.md"] == OLD
    assert after.code == 1
    assert after.report["repairs"][0]["status"] == "error"
    assert "not written: cannot write the journal in" in after.report["repairs"][0]["reason"]


def test_a_repair_that_could_not_be_written_is_none_to_take_back(project: Project) -> None:
    project.write_bytes("routine.md", OLD)
    project.suite(SUITE)
    project.target = obeys_the_rule

    def meddle(body: object) -> str:
        project.write_bytes("routine.md", b"Mine.\n")
        return envelope(append(RULE))

    project.meta = meddle
    assert project.run("--metaprompt-fix").code == 1
    assert "not written: " in project.run("--metaprompt-journal").text
    after = project.run("--metaprompt-revert")
    assert "the journal holds no repair that could be taken back" in after.text
    assert after.files["routine.md"] == b"Mine.\n"


def test_every_entry_is_json_with_its_time_and_routine(repaired: Project) -> None:
    lines = (repaired.path / ".metaprompt" / "journal.jsonl").read_text().splitlines()
    assert {json.loads(line)["routine"] for line in lines} == {"routine.md"}
