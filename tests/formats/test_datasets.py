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


def test_rows_without_an_id_are_named_after_what_they_say(folder: Folder) -> None:
    first, second = folder.put("o.csv", TABLE).cases("cases: [{dataset: o.csv, expect: x}]\n")
    assert (first.id, second.id) == ("t1-2d89fa54", "t2-f5f84c05")


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
            "dataset: o.xlsx",
            ["3: the dataset 'o.xlsx' must end in .csv, .tsv, .json, .jsonl, .ndjson, .yaml, .yml"],
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
                "o.csv:2: unknown split 'ORD-1', column 'order' (known: holdout, train)",
                "o.csv:3: unknown split 'ORD-2', column 'order' (known: holdout, train)",
            ],
        ),
        (
            "dataset: o.csv\n  messages: '{{order}}'",
            [
                "o.csv:2: messages must be a list in JSON, not the text 'ORD-1' of {{order}} "
                "(the cell must hold [{...}, ...])",
                "o.csv:3: messages must be a list in JSON, not the text 'ORD-2' of {{order}} "
                "(the cell must hold [{...}, ...])",
            ],
        ),
        (
            "dataset: chat.csv\n  messages: '{{a}}'",
            [
                "chat.csv:2: in the messages of {{a}}: unknown role 'bot' (known: assistant, "
                "developer, system, tool, user)",
                "chat.csv:2: in the messages of {{a}}: missing key 'content' (what is said)",
                "chat.csv:3: in the messages of {{a}}: messages must be a list with at least one item, not a mapping",
            ],
        ),
        (
            "dataset: o.csv\n  messages: chat",
            [
                "4: messages must be a list with at least one message, or a {{column}} that holds one, "
                "not the text 'chat'"
            ],
        ),
        (
            "dataset: holes.csv\n  id: '{{a}}'",
            ["holes.csv:2: the row has 1 cells, but the header line has 2: none for 'b'"],
        ),
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


JSONL = """\
{"id": "a", "q": {"text": "Hi {{x}}"}, "want": {"n": [1, 2]}, "chat": [{"role": "user", "content": "{{y}}"}]}
{"q": {"text": "How are you today, my dear old friend?"}, "want": 5, "chat": [{"role": "user", "content": "b"}]}
"""


def test_values_of_a_row_are_reached_by_their_path_and_keep_their_kind(folder: Folder) -> None:
    first, second = folder.put("d.jsonl", JSONL).cases(
        "cases: [{dataset: d.jsonl, input: '{{q.text}}!', messages: '{{chat}}', expect: '{{want}}', "
        "vars: {second: '{{want.n.1}}', both: 'n={{want.n}}'}, limit: 1}, "
        "{dataset: d.jsonl, input: '{{q.text}}', expect: '{{want}}', id: 'x-{{want}}'}]\n"
    )[:2]
    assert (first.id, first.input, first.messages) == ("a", "Hi {{x}}!", (Message("user", "{{y}}"),))
    assert first.assertions[0].value == {"n": [1, 2]}
    assert (first.vars["second"], first.vars["both"]) == (2, "n=[1, 2]")
    assert (second.id, second.assertions[0].value) == ('x-{"n": [1, 2]}', {"n": [1, 2]})


@pytest.mark.parametrize(
    ("name", "content", "more"),
    [
        ("d.tsv", "a\tb\n1, 2\t'3'\n", ""),
        ("d.tsv", "a;b\n1, 2;\"'3'\"\n", ", csv: {delimiter: ';'}"),
        ("d.csv", "a,b\n\"1, 2\",'3'\n", ""),
        ("d.csv", "a|b\n'1, 2'|'\\'3\\''\n", ", csv: {delimiter: '|', quotechar: \"'\", escapechar: '\\'}"),
        ("d.csv", 'a,b\n"1, 2","\'3\'"\n', ", csv: {doublequote: false}"),
        ("d.json", '[{"a": "1, 2", "b": "\'3\'"}]', ""),
        ("d.json", '{"x": {"rows": [{"a": "1, 2", "b": "\'3\'"}]}}', ", key: x.rows"),
        ("d.jsonl", '{"a": "1, 2", "b": "\'3\'"}\n', ""),
        ("d.ndjson", '{"a": "1, 2", "b": "\'3\'"}\n', ""),
        ("d.yaml", "- {a: '1, 2', b: \"'3'\"}\n", ""),
        ("D.YML", "rows:\n  - a: 1, 2\n    b: \"'3'\"\n", ", key: rows"),
    ],
)
def test_a_data_set_may_be_of_any_kind(folder: Folder, name: str, content: str, more: str) -> None:
    (case,) = folder.put(name, content).cases(f"cases: [{{dataset: {name}, expect: '{{{{b}}}}'{more}}}]\n")
    assert case.vars == {"a": "1, 2", "b": "'3'"}


SAMPLES = """\
{"input": [{"role": "system", "content": "Be {{brief}}."}, {"role": "user", "content": "2+2?"}], "ideal": "4"}
{"input": "Capital of France?", "ideal": ["Paris", "paris"]}
"""


def test_samples_of_openai_evals_need_no_template(folder: Folder) -> None:
    chat, text = folder.put("samples.jsonl", SAMPLES).cases("cases: [{dataset: samples.jsonl}]\n")
    assert chat.messages == (Message("system", "Be {{brief}}."), Message("user", "2+2?"))
    assert (text.input, text.messages) == ("Capital of France?", ())
    assert [(a.kind, a.value) for case in (chat, text) for a in case.assertions] == [
        ("evals-match", "4"),
        ("evals-match", ["Paris", "paris"]),
    ]
    assert (chat.answer, text.answer) == ("4", "Paris")
    assert (chat.id, text.id) == ("2-2-85eff304", "capital-of-france-e1e3559b")


def test_a_template_wins_over_what_samples_say_by_themselves(folder: Folder) -> None:
    chat, _ = folder.put("samples.jsonl", SAMPLES).cases(
        "cases: [{dataset: samples.jsonl, input: go, "
        "assert: [{type: evals-match, mode: includes, value: '{{ideal}}'}]}]\n"
    )
    assert (chat.input, chat.messages) == ("go", ())
    assert chat.assertions[0].settings == {"mode": "includes"}


def test_an_order_of_rows_changes_no_id(folder: Folder) -> None:
    lines = SAMPLES.splitlines(keepends=True)
    ids = [case.id for case in folder.put("s.jsonl", SAMPLES).cases("cases: [{dataset: s.jsonl}]\n")]
    turned = folder.put("s.jsonl", "".join(reversed(lines))).cases("cases: [{dataset: s.jsonl}]\n")
    assert [case.id for case in turned] == ids[::-1]


def test_rows_that_say_the_same_are_numbered(folder: Folder) -> None:
    cases = folder.put("o.csv", "a\nx\ny\nx\nx\n").cases("cases: [{dataset: o.csv, expect: z}]\n")
    first = cases[0].id
    assert [case.id for case in cases if case.vars["a"] == "x"] == [first, f"{first}-2", f"{first}-3"]
    assert len({case.id for case in cases}) == 4


def test_a_seed_draws_the_same_rows_whatever_their_order(folder: Folder) -> None:
    rows = [f'{{"id": "r{number}", "a": "x"}}\n' for number in range(100)]
    text = "cases: [{dataset: d.jsonl, expect: x, limit: 10, seed: 7}]\n"
    drawn = [case.id for case in folder.put("d.jsonl", "".join(rows)).cases(text)]
    turned = [case.id for case in folder.put("d.jsonl", "".join(rows[::-1])).cases(text)]
    grown = {case.id for case in folder.put("d.jsonl", "".join([*rows, '{"id": "new", "a": "x"}'])).cases(text)}
    other = {case.id for case in folder.cases(text.replace("7", "8"))}
    assert drawn == sorted(drawn, key=lambda name: int(name[1:]))
    assert turned == drawn[::-1]
    assert len(grown & set(drawn)) >= 9
    assert other != grown
    assert [case.id for case in folder.cases(text.replace(", seed: 7", ""))] == [f"r{number}" for number in range(10)]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("dataset: d.jsonl\n  key: rows", ["4: key says nothing about 'd.jsonl' (it is for .json, .yaml, .yml)"]),
        (
            "dataset: d.jsonl\n  csv: {delimiter: ;}",
            ["4: csv says nothing about 'd.jsonl' (it is for .csv, .tsv)"],
        ),
        ("dataset: d.jsonl\n  seed: 1", ["4: seed draws rows only where there is a limit (add  limit: 100)"]),
        ("dataset: bad.jsonl", ["bad.jsonl:2: not valid JSON: Expecting ',' delimiter at column 13"]),
        (
            "dataset: null.jsonl\n  expect: '{{a}}'\n  input: hi",
            ["null.jsonl:2: {{a}} is null, so there is nothing to expect (give the row an answer, or leave it out)"],
        ),
        (
            "dataset: same.jsonl\n  expect: x",
            ["same.jsonl:2: the id 'one' is given twice, first at same.jsonl:1"],
        ),
        (
            "dataset: chat.jsonl\n  expect: x\n  messages: '{{m}}'",
            [
                "chat.jsonl:1: in the messages of {{m}}: messages must be a list with at least one item, not 5",
                "chat.jsonl:2: in the messages of {{m}}: missing key 'role' (who speaks)",
            ],
        ),
    ],
)
def test_what_is_wrong_with_rows_of_json_is_told(folder: Folder, text: str, problems: list[str]) -> None:
    folder.put("d.jsonl", '{"input": "a", "ideal": "b"}\n').put("bad.jsonl", '{"a": 1}\n{"a": [1, {}} ]}\n')
    folder.put("null.jsonl", '{"a": "b"}\n{"a": null}\n').put("same.jsonl", '{"id": "one"}\n{"id": "one"}\n')
    folder.put("chat.jsonl", '{"m": 5}\n{"m": [{"content": "x"}]}\n')
    assert folder.problems(f"{HEAD}cases:\n- {text}\n") == problems


def test_a_row_whose_assertion_cannot_work_is_named(tmp_path: Path) -> None:
    from pytest_metaprompt.scorers import check

    folder = Folder(tmp_path, check).put("r.md", "x").put("d.csv", "a,p\n1,x\n2,(\n")
    assert folder.problems(
        f"{HEAD}cases:\n- dataset: d.csv\n  input: hi\n  assert:\n  - {{type: regex, value: '{{{{p}}}}'}}\n"
    ) == [
        "6: regex: invalid pattern '(': missing ), unterminated subpattern at position 0 in the case at d.csv:3, "
        "column 'p'"
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
