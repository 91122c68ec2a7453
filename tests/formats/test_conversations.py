from __future__ import annotations

import pytest

from pytest_metaprompt.suites import Simulation
from tests.formats.folder import Folder

SHORT = "cases:\n  - id: a\n    expect: x\n"


def simulation(folder: Folder, text: str) -> Simulation:
    [case] = folder.cases(text)
    assert case.simulation is not None
    return case.simulation


def test_turns_are_what_the_user_says(folder: Folder) -> None:
    read = simulation(folder, SHORT + "    vars: {order: ORD-1}\n    turns: [{user: hi}, {user: 'it is {{order}}'}]\n")
    assert read.turns == ("hi", "it is ORD-1")
    assert read.persona is None


def test_a_played_customer_with_everything(folder: Folder) -> None:
    read = simulation(
        folder,
        SHORT
        + """\
    simulate:
      user: Ada, ABC123
      model: openai:small
      max_turns: 4
      max_tool_calls: 9
      tools: {check: {returns: Non-refundable}, seat: {returns: {row: 7}}}
      end_on: [refund]
""",
    )
    assert (read.persona, str(read.model), read.max_turns, read.max_tool_calls) == ("Ada, ABC123", "openai:small", 4, 9)
    assert read.tools == {"check": "Non-refundable", "seat": {"row": 7}}
    assert read.end_on == ("refund",)


DEFAULTS = "defaults: {simulate: {user: someone, model: 'openai:small', tools: {a: {returns: 1}, b: {returns: 2}}}}\n"


def test_defaults_are_shared_and_own_keys_win(folder: Folder) -> None:
    read = simulation(folder, DEFAULTS + SHORT + "    simulate: {user: Ada, tools: {b: {returns: 3}}}\n")
    assert (read.persona, str(read.model), read.tools) == ("Ada", "openai:small", {"a": 1, "b": 3})


def test_a_script_takes_the_place_of_the_customer_of_the_defaults(folder: Folder) -> None:
    read = simulation(folder, DEFAULTS + SHORT + "    turns: [{user: hi}]\n")
    assert (read.persona, read.model, read.turns, read.tools) == (None, None, ("hi",), {"a": 1, "b": 2})


def test_defaults_alone_make_no_conversation(folder: Folder) -> None:
    [case] = folder.cases(DEFAULTS + SHORT + "    input: hi\n")
    assert case.simulation is None


def test_the_right_answer_of_a_conversation_is_no_worked_example(folder: Folder) -> None:
    [case] = folder.cases(SHORT + "    input: hi\n    turns: [{user: there}]\n")
    assert case.answer is None


def test_rows_of_a_table_can_be_conversations(folder: Folder) -> None:
    folder.put("c.csv", "id,who,says\na,Ada,hello\n")
    text = "cases: [{dataset: c.csv, id: '{{id}}', expect: x, turns: [{user: '{{who}} says {{says}}'}]}]\n"
    assert simulation(folder, text).turns == ("Ada says hello",)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("    simulate: {}\n", "5: nobody speaks with the target (give the case turns, or simulate a key user)"),
        ("    turns: []\n", "5: turns must be a list with at least one item, not an empty list"),
        ("    turns: [hi]\n", "5: each of turns must be a mapping, not the text 'hi'"),
        ("    turns: [{usr: hi}]\n", "5: unknown key 'usr' (did you mean 'user'? known: user)"),
        (
            "    turns: [{user: a}]\n    simulate: {user: b}\n",
            "5: the customer is both scripted and played (give turns or simulate.user, not both)",
        ),
        (
            "    simulate: {user: a, tools: {t: {return: 1}}}\n",
            "5: the tool 't' does not say what it returns (did you mean 'returns'? known: returns)",
        ),
        (
            "    simulate: {user: a, tools: {t: 1}}\n",
            "5: the tool 't' does not say what it returns (write  t: {returns: ...})",
        ),
        ("    simulate: {user: a, tools: {t: {returns: 1, after: 2}}}\n", "5: unknown key 'after' (known: returns)"),
        ("    simulate: {user: a, max_turns: 0}\n", "5: max_turns must be a whole number of 1 or more, not 0"),
        ("    simulate: {user: a, model: small}\n", "5: unknown model 'small' (write provider:name)"),
        ("    simulate: {user: a, endon: [x]}\n", None),
    ],
)
def test_a_flaw_is_told_in_words(folder: Folder, text: str, problem: str | None) -> None:
    problems = folder.problems("routine: r.md\n" + SHORT + text)
    if problem is None:
        assert "unknown key 'endon' (did you mean 'end_on'?" in problems[0]
    else:
        assert problem in problems
