"""What is refused before any call is made, and what is let through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_metaprompt.errors import Place
from pytest_metaprompt.repair.validation import RefusedError, Terms, squeezed, validate
from pytest_metaprompt.results import Proposal, Subject
from pytest_metaprompt.routines import Routine, Turn, add_turns, parse_routine, replace_part
from pytest_metaprompt.suites import Assertion, Case, Json, RoutineRef, Suite

RULES = """\
# Refunds

You answer customers of a shop about refunds. Say that {{product}} can be returned within 30 days.
Call check_ticket before you promise anything. Stay polite and short.
"""
CHAT = "---\nname: x\n---\nsystem:\nAnswer briefly and in one word.\n\nuser:\n{{message}}\n"
STORY = "my lamp broke on the third day and I want my money back right now"


def subject(key: str, vars: Mapping[str, Json], *, answer: str | None = None) -> Subject:
    checks = (Assertion("equals", answer),) if answer is not None else ()
    case = Case(key, Place("s", 1), vars=vars, assertions=checks, answer=answer)
    return Subject(key, Suite(Path("s"), RoutineRef(inline=RULES), (case,)), case)


PLAIN_CASES = (subject("lamp", {"product": STORY}, answer="Please talk to our returns desk"),)
CHAT_CASES = (
    subject("sky", {"message": "what colour is the sky"}, answer="blue"),
    subject("sea", {"message": "and the sea"}),
)


def plain_terms(**changes: object) -> Terms:
    terms = Terms(
        old=parse_routine(RULES, name="r.md", form="plain"),
        editable=frozenset({"system"}),
        subjects=PLAIN_CASES,
        tools=frozenset({"check_ticket", "process_refund"}),
    )
    return replace(terms, **changes)  # type: ignore[arg-type]


def chat_terms(*, editable: frozenset[str] = frozenset({"system", "examples"})) -> Terms:
    return Terms(old=parse_routine(CHAT, name="r.prompty", form="chat"), editable=editable, subjects=CHAT_CASES)


def try_text(text: str, terms: Terms, *, examples_from: frozenset[str] = frozenset()) -> Routine:
    return validate(Proposal("reflect", "why", text, examples_from=examples_from), terms)


def refusal(text: str, terms: Terms) -> str:
    with pytest.raises(RefusedError) as caught:
        try_text(text, terms)
    return str(caught.value)


def test_a_small_sufficient_change_is_let_through() -> None:
    text = RULES + "Always name the deadline first. Then call process_refund.\n"
    assert try_text(text, plain_terms()).text == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (RULES, "changes nothing"),
        ("", "is not a routine"),
        (RULES.replace("{{product}}", "it"), "drops the placeholder {{product}}"),
        (RULES + "Mind {{mood}}.", "adds the placeholder {{mood}}"),
        (RULES + "word " * 200, "grows to"),
        ("Tell {{product}}: 30.", "shrinks from"),
        (RULES.replace("# Refunds", "Refunds"), "loses the heading 'Refunds'"),
        (RULES.replace("check_ticket", "the check"), "loses the tool name 'check_ticket'"),
        (RULES.replace("30 days", "a month"), "loses the number '30'"),
        ("Certainly! Here is an improved prompt:\n\n" + RULES, "holds chatter"),
        ("Here's the updated routine:\n\n" + RULES, "holds chatter"),
        (RULES + "\nLet me know if you need anything else.", "holds chatter"),
        (f"```\n{RULES}```", "holds a stray code fence"),
        (RULES + "```", "holds a stray code fence"),
        (RULES + "Be\u200b kind.", "holds an invisible character, U+200B"),
        (RULES + "Be\u202e kind.", "holds an invisible character, U+202E"),
        (RULES + "See https://evil.example/x.", "adds the address https://evil.example/x"),
        (RULES + "Then call send_money.", "names 'send_money', which is no tool of the target"),
        (RULES + "Say: please talk to  our Returns desk.", "copies the expected answer of 'lamp'"),
        (RULES + "If my lamp broke on the third day and so on, refund.", "copies the text of 'lamp'"),
    ],
)
def test_a_plain_routine_is_guarded(text: str, reason: str) -> None:
    assert reason in refusal(text, plain_terms())


def test_a_rule_may_name_the_tool_that_a_case_expects_but_no_other_answer_as_long() -> None:
    expecting = replace(plain_terms(), subjects=(subject("refund", {}, answer="process_refund"),))
    try_text(RULES + "If the goods are damaged, then call process_refund.\n", expecting)
    leaking = replace(plain_terms(), subjects=(subject("refund", {}, answer="ORD-4711-2026"),))
    assert "copies the expected answer of 'refund'" in refusal(RULES + "Say ORD-4711-2026.\n", leaking)


def test_a_text_that_was_tried_is_not_tried_again() -> None:
    text = RULES + "Be kind."
    assert refusal(text, plain_terms(seen=frozenset({squeezed(text + "\n")}))) == "was tried before"


def test_a_suite_may_allow_more_length() -> None:
    text = RULES + "word " * 200
    assert try_text(text, plain_terms(max_length=5000)).text == text


def test_list_marks_are_no_numbers_to_keep() -> None:
    old = parse_routine("Do this:\n1. Greet\n2. Ask about {{product}}\n3. Answer", name="r", form="plain")
    assert try_text(old.text.replace("1. Greet\n2.", "1.").replace("3.", "2."), plain_terms(old=old))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (CHAT.replace("name: x", "name: y"), "changes the frontmatter, which is frozen"),
        (CHAT.replace("{{message}}", "Q: {{message}}"), "changes the user part, which is frozen"),
        (CHAT.replace("user:", "system:\nmore\n\nuser:"), "changes which messages the routine has"),
    ],
)
def test_the_frozen_parts_of_a_chat_routine_stay(text: str, reason: str) -> None:
    assert reason in refusal(text, chat_terms())


def test_examples_are_refused_where_the_suite_does_not_allow_them() -> None:
    terms = chat_terms(editable=frozenset({"system"}))
    assert "changes the examples part" in refusal(add_turns(terms.old, [Turn("hi", "hello")]).text, terms)


def test_an_invented_example_is_let_through_and_a_copied_one_is_not() -> None:
    terms = chat_terms()
    assert try_text(add_turns(terms.old, [Turn("what colour is grass", "green")]).text, terms)
    copied = add_turns(terms.old, [Turn("What colour is  the sky", "blue")]).text
    assert refusal(copied, terms) == "copies the input of 'sky' into an example"


def test_a_demonstration_may_show_the_training_case_that_it_names_and_no_other() -> None:
    terms = chat_terms()
    shown = add_turns(terms.old, [Turn("what colour is the sky", "blue")]).text
    assert try_text(shown, terms, examples_from=frozenset({"sky"}))
    with pytest.raises(RefusedError, match="copies the input of 'sky'"):
        try_text(shown, terms, examples_from=frozenset({"sea"}))
    wrong_answer = add_turns(terms.old, [Turn("what colour is the sky", "green")]).text
    with pytest.raises(RefusedError, match="copies the input of 'sky'"):
        try_text(wrong_answer, terms, examples_from=frozenset({"sky"}))


def test_a_lone_answer_is_no_worked_example() -> None:
    terms = chat_terms()
    sly = terms.old.text.replace("\n\nuser:", "\nassistant:\nok\n\nuser:")
    assert refusal(sly, terms) == "holds a message that is no part of a worked example"


PROMPT_FILE = """\
messages:
  - {role: system, content: Answer briefly and in one word.}
  - role: user
    content: "{{message}}"
testData:
  - {message: Is the blue teapot still to be had this week?, expected: probably tomorrow}
"""


def list_refusal(part: int, text: str) -> str:
    """Why a new text of a message in a prompt file is refused. The file holds the case, too."""
    old = parse_routine(PROMPT_FILE, name="x.prompt.yml", form="messages-yaml")
    lone = subject("tea", {"message": "Is the blue teapot still to be had this week?"}, answer="probably tomorrow")
    terms = Terms(old=old, editable=frozenset({"system", "examples"}), subjects=(lone,))
    with pytest.raises(RefusedError) as caught:
        try_text(replace_part(old, part, text).text, terms)
    return str(caught.value)


@pytest.mark.parametrize(
    ("part", "text", "reason"),
    [
        (0, "Answer briefly and in one word, as in probably tomorrow.", "copies the expected answer of 'tea'"),
        (0, "Answer briefly. Is the blue teapot still to be had this week?", "copies the text of 'tea'"),
        (0, "Answer briefly and\u200b in one word.", "holds an invisible character, U+200B"),
        (0, "Answer briefly and in one word. {{mood}}", "adds the placeholder {{mood}}"),
        (0, "Answer briefly and in one word. {% if x %}", "drops or adds the template code {% if x %}"),
        (1, "{{message}}!", "changes the user part, which is frozen"),
    ],
)
def test_messages_of_a_prompt_file_are_guarded_as_the_model_sees_them(part: int, text: str, reason: str) -> None:
    assert reason in list_refusal(part, text)


def test_what_stands_around_the_messages_is_frozen() -> None:
    old = parse_routine(PROMPT_FILE, name="x.prompt.yml", form="messages-yaml")
    terms = Terms(old=old, editable=frozenset({"system", "examples"}), subjects=())
    easier = PROMPT_FILE.replace("expected: probably tomorrow", "expected: yes").replace("one word", "few words")
    with pytest.raises(RefusedError, match="changes what stands around the messages, which is frozen"):
        try_text(easier, terms)
