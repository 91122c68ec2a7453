from __future__ import annotations

from pathlib import Path

import pytest

from pytest_metaprompt.errors import Place
from pytest_metaprompt.suites import Message

from .folder import HEAD, NAME, Folder

TABLE = 'ticket,message,order,side\nt1,"Hi, ""you"" {{order}}",ORD-1,train\nt2,Ho,ORD-2,holdout\n'


def test_each_row_fills_the_template_beside_it(folder: Folder) -> None:
    first, second = folder.put("cases/o.csv", TABLE).cases(
        "defaults: {vars: {tone: kind}, tags: [all]}\n"
        "cases:\n- dataset: cases/o.csv\n  id: 'n-{{ticket}}'\n"
        "  vars: {more: '{{message}}/{{tone}}', side: '[{{side}}]'}\n"
        "  input: '{{message}}'\n  messages: [{role: user, content: '{{more}}'}]\n  expect: '{{order}}'\n"
        "  assert: [{type: contains, value: '{{order}}', metric: '{{side}}'}]\n  tags: ['{{ticket}}']\n"
        "  protected: true\n"
    )
    assert (first.id, second.id) == ("n-t1", "n-t2")
    assert (first.where, second.where) == (Place("cases/o.csv", 2), Place("cases/o.csv", 3))
    assert first.vars == {
        "tone": "kind",
        "ticket": "t1",
        "message": 'Hi, "you" {{order}}',
        "order": "ORD-1",
        "side": "[train]",
        "more": 'Hi, "you" {{order}}/kind',
    }
    assert first.input == 'Hi, "you" {{order}}'
    assert second.messages == (Message("user", "Ho/kind"),)
    assert (second.answer, second.tags, second.protected) == ("ORD-2", ("all", "t2"), True)
    assert [(a.kind, a.value, a.metric) for a in second.assertions] == [
        ("equals", "ORD-2", None),
        ("contains", "ORD-2", "[holdout]"),
    ]
    assert second.assertions[1].where == Place(NAME, 10)


def test_a_column_may_say_the_split(folder: Folder) -> None:
    folder.put("o.csv", TABLE)
    cases = folder.cases("cases: [{dataset: o.csv, expect: x, split: '{{side}}'}]\n")
    assert [case.split for case in cases] == ["train", "holdout"]
    cases = folder.cases("cases: [{dataset: o.csv, expect: x, split: train}]\n")
    assert [case.split for case in cases] == ["train", "train"]


def test_rows_without_an_id_are_named_after_the_file_and_their_cells(folder: Folder) -> None:
    first, second = folder.put("o.csv", TABLE).cases("cases: [{dataset: o.csv, expect: x}]\n")
    assert (first.id, second.id) == ("o-30bba0e8", "o-910ecd54")


def test_the_csv_settings_are_used(folder: Folder) -> None:
    folder.put("o.csv", "a;b\n'1;2';\u00e4".encode("cp1252"))
    (case,) = folder.cases(
        'cases: [{dataset: o.csv, csv: {delimiter: ;, quotechar: "\'", encoding: cp1252}, expect: x}]\n'
    )
    assert case.vars == {"a": "1;2", "b": "ä"}


def test_data_sets_and_single_cases_keep_their_order(folder: Folder) -> None:
    folder.put("o.csv", TABLE)
    cases = folder.cases(
        "cases:\n- {id: a, input: x, expect: y}\n- {dataset: o.csv, id: '{{ticket}}', expect: x}\n"
        "- {id: b, input: x, expect: y}\n"
    )
    assert [case.id for case in cases] == ["a", "t1", "t2", "b"]


def test_a_cell_may_hold_a_chat_as_json_which_is_taken_as_it_is(folder: Folder) -> None:
    chat = '[{"role": "user", "content": "{{x}}"}, {"role": "assistant", "content": null, "tool_calls": [{"id": "1"}]}]'
    folder.put("o.csv", f"chat|answer\n'{chat}'|y\n")
    (case,) = folder.cases(
        "cases: [{dataset: o.csv, csv: {delimiter: '|', quotechar: \"'\"}, messages: '{{chat}}', "
        "expect: '{{answer}}'}]\n"
    )
    assert case.messages == (Message("user", "{{x}}"), Message("assistant", "", {"tool_calls": [{"id": "1"}]}))


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("dataset: p.csv", ["3: the dataset 'p.csv' does not exist (did you mean 'o.csv'?)"]),
        (
            "dataset: o.jsonl",
            ["3: the dataset 'o.jsonl' is of a kind that is not supported yet (so far it is .csv only)"],
        ),
        (
            "dataset: o.csv\n  id: t",
            ['4: the id is the same for every row (put a column into it, such as id: "{{column}}")'],
        ),
        (
            "dataset: o.csv\n  csv: {encoding: utf-7000}",
            ["3: there is no encoding 'utf-7000' (such as utf-8, utf-16 or cp1252)"],
        ),
        (
            "dataset: o.csv\n  input: '{{mesage}}'",
            ["4: {{mesage}} has no value in the case at o.csv:2 (vars given: message, order, side, ticket)"],
        ),
        (
            "dataset: o.csv\n  vars: {a: '{{b}}'}",
            ["4: {{b}} has no value in the case at o.csv:2 (vars given: message, order, side, ticket)"],
        ),
        (
            "dataset: o.csv\n  tags: ['{{message}}']",
            ["4: the tag 'Hi, \"you\" {{order}}' holds white space (write it as 'Hi,-\"you\"-{{order}}')"],
        ),
        (
            "dataset: o.csv\n  split: '{{order}}'",
            [
                "o.csv:2: unknown split 'ORD-1' (known: holdout, train)",
                "o.csv:3: unknown split 'ORD-2' (known: holdout, train)",
            ],
        ),
        (
            "dataset: o.csv\n  messages: '{{order}}'",
            [
                "o.csv:2: messages must be a list in JSON, not the text 'ORD-1' (the cell must hold [{...}, ...])",
                "o.csv:3: messages must be a list in JSON, not the text 'ORD-2' (the cell must hold [{...}, ...])",
            ],
        ),
        (
            "dataset: chat.csv\n  messages: '{{a}}'",
            [
                "chat.csv:2: in the messages: unknown role 'bot' (known: assistant, developer, system, tool, user)",
                "chat.csv:2: in the messages: missing key 'content' (what is said)",
                "chat.csv:3: in the messages: messages must be a list with at least one item, not a mapping",
            ],
        ),
        (
            "dataset: o.csv\n  messages: chat",
            [
                "4: messages must be a list with at least one message, or a {{column}} that holds one as JSON, "
                "not the text 'chat'"
            ],
        ),
        ("dataset: holes.csv\n  id: '{{a}}'", ["holes.csv:2: the row has 1 cells, but the header line has 2"]),
        ("dataset: same.csv", ["same.csv:3: identical cases at lines 2 and 3: give them ids"]),
        ("dataset: same.csv\n  id: '{{a}}'", ["same.csv:3: the id '1' is given twice, first at same.csv:2"]),
        (
            "dataset: colons.csv\n  id: '{{a}}'",
            [
                "colons.csv:2: the id 'x::y' cannot be part of a pytest node id (an id is one line, without "
                "'::' and outer spaces)"
            ],
        ),
    ],
)
def test_what_is_wrong_with_a_data_set_is_told(folder: Folder, text: str, problems: list[str]) -> None:
    folder.put("o.csv", TABLE).put("holes.csv", "a,b\n1\n").put("same.csv", "a\n1\n1\n").put(
        "colons.csv", "a\nx::y\n"
    ).put("chat.csv", """a\n"[{""role"": ""bot""}]"\n{}\n""")
    assert folder.problems(f"{HEAD}cases:\n- {text}\n  expect: x\n") == problems


def test_rows_without_an_assertion_are_told_once(folder: Folder) -> None:
    assert folder.put("o.csv", TABLE).problems(f"{HEAD}cases:\n- dataset: o.csv\n") == [
        "3: the case has no assertion, so it would always pass (give it expect or assert)"
    ]


CONVERSATIONS = Path(__file__).parents[3] / "shared/data/flight_cancellation/functionCallingEval.csv"


@pytest.mark.skipif(not CONVERSATIONS.exists(), reason="the real data is not beside the project")
def test_real_conversations_with_tool_calls_are_read(folder: Folder) -> None:
    cases = folder.put("f.csv", CONVERSATIONS.read_bytes()).cases(
        "cases:\n- dataset: f.csv\n  csv: {delimiter: '|', escapechar: '\\'}\n  messages: '{{conversation}}'\n"
        "  assert: [{type: tool-call, value: {name: '{{expected_function}}'}}]\n"
    )
    assert len(cases) == 17
    assert cases[3].messages[-1] == Message("tool", "Non-refundable", {"tool_call_id": "call_005"})
    assert cases[3].assertions[0].value == {"name": "offer_flight_credit"}
