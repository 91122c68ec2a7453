"""Edits without a model: what is moved, said again, left out, and what is never touched."""

from __future__ import annotations

import asyncio
from pathlib import Path

from pytest_metaprompt.errors import Place
from pytest_metaprompt.repair.proposers.edits import Edits
from pytest_metaprompt.repair.sentences import sentences, without
from pytest_metaprompt.results import Attempt, Observation, Proposal, RepairState, Reply, Subject, Verdict
from pytest_metaprompt.suites import Assertion, Case, RoutineRef, Suite
from tests.conftest import Body, Project

RULES = """\
# Numbers

Answer with the number only. You read a customer's message (it may be long).
Be warm and chatty, because people like that. Never tell a secret.

- Greet the customer.
- Read {{message}}.
"""


def seen(output: str) -> Observation:
    case = Case("a", Place("s", 1), vars={"message": "12"}, assertions=(Assertion("equals", "12"),), answer="12")
    suite = Suite(Path("s"), RoutineRef(inline="r"), (case,))
    return Observation(
        Subject("a", suite, case), Attempt(case, reply=Reply(output), verdicts=(Verdict("equals", False, 0.0, "no"),))
    )


def proposed(output: str, *, round_: int, text: str = RULES, editable: str = "system") -> list[Proposal]:
    state = RepairState("r.md", text, "plain", frozenset({editable}), (seen(output),), (), round=round_)
    return list(asyncio.run(Edits().propose(state)))


def test_a_rule_on_the_form_of_answers_moves_to_the_end_or_is_repeated_there() -> None:
    moved, repeated = [proposal.text for proposal in proposed("It is 12!", round_=1)]
    assert moved.startswith("# Numbers\n\nYou read a customer's")
    assert moved.endswith("- Read {{message}}.\n\nAnswer with the number only.\n")
    assert repeated == RULES + "\nAnswer with the number only.\n"


def test_nothing_is_moved_where_the_answer_itself_is_wrong() -> None:
    assert proposed("13", round_=1) == []


def test_later_rounds_leave_out_or_shorten_what_neither_commands_nor_gives_the_form() -> None:
    texts = [proposal.text for round_ in range(2, 7) for proposal in proposed("13", round_=round_)]
    assert RULES.replace(" (it may be long)", "") in texts
    assert RULES.replace("Be warm and chatty, because people like that. ", "") in texts
    assert RULES.replace(", because people like that", "") in texts
    assert RULES.replace("- Greet the customer.\n", "") in texts
    for text in texts:
        assert "Never tell a secret." in text
        assert "Answer with the number only." in text
        assert "{{message}}" in text
        assert text.startswith("# Numbers\n")
    assert len(set(texts)) == len(texts), "no edit is suggested twice"


def test_frozen_parts_are_left_alone() -> None:
    assert proposed("It is 12!", round_=1, editable="examples") == []


def test_a_sentence_is_taken_out_with_the_line_that_it_stands_on_alone() -> None:
    text = "One. Two!\n\n* Three\n```\nCode. Is. None.\n```\n## Four\nE.g. this is {{five}}. Six"
    assert [one.text for one in sentences(text)] == ["One.", "Two!", "Three", "## Four", "Six"]
    assert [without(text, one) for one in sentences(text)][:3] == [
        text.removeprefix("One. "),
        text.replace("Two!", ""),
        text.replace("* Three\n", ""),
    ]


def test_a_format_rule_that_is_overlooked_is_repaired_without_a_meta_model(project: Project) -> None:
    rule = "Answer with the number only."

    def reads_the_end(body: Body) -> str:
        number = body["messages"][-1]["content"].split()[-1]
        return number if body["messages"][0]["content"].rstrip().endswith(rule) else f"The number is {number}."

    project.write_bytes("routine.md", f"# Numbers\n\n{rule} You read messages of customers.\nBe quick.\n".encode())
    cases = "".join(f'  - {{id: case-{n}, input: "take {100 + n}", expect: "{100 + n}"}}\n' for n in range(24))
    project.suite(f"routine: routine.md\ntarget: {{model: openai:small, base_url: BASE}}\ncases:\n{cases}")
    project.target = reads_the_end
    after = project.run("--metaprompt-fix")
    assert after.code == 0
    assert after.files["routine.md"].decode() == (
        f"# Numbers\n\nYou read messages of customers.\nBe quick.\n\n{rule}\n"
    )
    assert [one["decision"] for one in after.report["repairs"][0]["proposals"]].count("accepted") == 1
