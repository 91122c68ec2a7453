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
from pytest_metaprompt.suites import Assertion, Case, Json, ModelSpec, RoutineRef, Suite

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


@pytest.mark.parametrize("before", [200, 2399, 2400, 2401, 4000])
def test_a_routine_may_grow_by_600_characters_or_a_quarter_and_by_no_character_more(before: int) -> None:
    text = "Answer {{product}}." + "x" * (before - 19)
    terms = plain_terms(old=parse_routine(text, name="r", form="plain"), tools=frozenset())
    most = max(before + 600, before * 5 // 4)
    assert try_text(text + "y" * (most - before), terms)
    assert f"grows to {most + 1} characters; at most {most}" in refusal(text + "y" * (most - before + 1), terms)


def test_a_routine_may_lose_half_of_itself_and_no_character_more() -> None:
    text = "Answer {{product}}." + "x" * 181
    terms = plain_terms(old=parse_routine(text, name="r", form="plain"), tools=frozenset())
    assert try_text(text[:100], terms)
    assert refusal(text[:99], terms) == "shrinks from 200 to 99 characters"


def test_seven_words_of_a_case_are_chance_and_eight_are_a_copy() -> None:
    words = STORY.split()
    assert try_text(f"{RULES}{' '.join(words[:7])}.", plain_terms())
    assert refusal(f"{RULES}{', '.join(words[1:9]).upper()}.", plain_terms()) == "copies the text of 'lamp'"


def test_a_language_without_spaces_is_counted_by_its_characters() -> None:
    told = "私のランプは三日目に壊れてしまったので返金を希望します"
    terms = plain_terms(subjects=(subject("lamp", {"product": told}),))
    assert try_text(f"{RULES}{told[3:18]}", terms)
    assert refusal(f"{RULES}例: {told[3:19]}", terms) == "copies the text of 'lamp'"


def test_an_answer_of_eleven_characters_is_a_word_and_one_of_twelve_a_secret() -> None:
    terms = plain_terms(subjects=(subject("a", {}, answer="teal-purple"), subject("b", {}, answer="teal-purple2")))
    assert try_text(RULES + "Never say teal-purple.", terms)
    assert refusal(RULES + "Never say Teal-Purple2.", terms) == "copies the expected answer of 'b'"


def test_answers_in_a_set_of_assertions_are_no_less_secret_and_those_that_must_not_come_are_none() -> None:
    hidden = Assertion("assert-set", children=(Assertion("contains", "ORD-4711-2026"),))
    case = Case("set", Place("s", 1), assertions=(hidden, Assertion("contains", "ORD-4712-2026", negated=True)))
    terms = plain_terms(subjects=(Subject("set", Suite(Path("s"), RoutineRef(inline=RULES), (case,)), case),))
    assert refusal(RULES + "Say ORD-4711-2026.", terms) == "copies the expected answer of 'set'"
    assert try_text(RULES + "Never say ORD-4712-2026.", terms)


def test_parameters_of_the_tools_may_be_named_and_camel_case_counts_where_a_tool_has_it() -> None:
    def terms_for(name: str) -> Terms:
        tool: Json = {"function": {"name": name, "parameters": {"properties": {"order_id": {}, "orderId": {}}}}}
        target = ModelSpec("openai", "small", params={"tools": [tool]})
        suite = Suite(Path("s"), RoutineRef(inline=RULES), (), target=target)
        one = replace(subject("lamp", {"product": "a lamp"}), suite=suite)
        return plain_terms(tools=frozenset({name, "check_ticket"}), subjects=(one,))

    assert try_text(RULES + "Give it the order_id.", terms_for("find_order"))
    assert try_text(RULES + "Works on an iPhone, too.", terms_for("find_order"))
    assert try_text(RULES + "Call findOrder with the orderId.", terms_for("findOrder"))
    assert "names 'sendMoney'" in refusal(RULES + "Call sendMoney.", terms_for("findOrder"))


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


def test_a_routine_holds_32_examples_at_most() -> None:
    terms = chat_terms()
    turns = [Turn(f"colour number {at}", "blue") for at in range(33)]
    assert try_text(add_turns(terms.old, turns[:32]).text, terms)
    assert refusal(add_turns(terms.old, turns).text, terms) == "holds 33 examples; at most 32 are allowed"


def test_an_invented_example_may_not_point_to_an_address() -> None:
    terms = chat_terms()
    sly = add_turns(terms.old, [Turn("what colour is grass", "see www.evil.example/green")]).text
    assert refusal(sly, terms) == "adds the address www.evil.example/green"


@pytest.mark.parametrize(
    "character", ["\u200d", "\u2066", "\ufeff", "\u3164", "\u2800", "\ufe01", "\U000e0100", "\x85"]
)
def test_what_nobody_sees_is_refused_and_more_of_it_too(character: str) -> None:
    assert "invisible character" in refusal(RULES + f"Be{character} kind.", plain_terms())
    has_one = parse_routine(RULES + f"Hm{character}", name="r.md", form="plain")
    assert "invisible character" in refusal(has_one.text + character, plain_terms(old=has_one))
    assert try_text(has_one.text + " Be kind \u2714\ufe0f.", plain_terms(old=has_one))


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
