"""The journal explained, and the last repair taken back."""

from __future__ import annotations

import json

import pytest

from tests.conftest import RULE, Project, append, envelope, obeys_the_rule

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


def test_every_entry_is_json_with_its_time_and_routine(repaired: Project) -> None:
    lines = (repaired.path / ".metaprompt" / "journal.jsonl").read_text().splitlines()
    assert {json.loads(line)["routine"] for line in lines} == {"routine.md"}
