import asyncio
from dataclasses import replace

import pytest

from pytest_metaprompt.errors import MetapromptError, Place, ScorerError, SkippedError
from pytest_metaprompt.results import Reply
from pytest_metaprompt.scorers import javascript_engines, open_scorer
from pytest_metaprompt.scorers.outputs import with_output
from pytest_metaprompt.scorers.transforms import apply_transform, open_transform
from pytest_metaprompt.suites import ColumnTest

from .asking import NOWHERE, assertion, attempt, call, judge, verdict


def transformed(text, tried, *, dialect="native", base=NOWHERE):
    return asyncio.run(apply_transform(open_transform(text, dialect=dialect, base=base), tried)).reply


@pytest.mark.parametrize(
    ("text", "said", "made", "output"),
    [
        ("output.upper()", "abc", "ABC", None),
        ("json.loads(output)['name']", '{"name": "Ann"}', "Ann", None),
        ("json.loads(output)", '{"a": [1, 2.0]}', '{"a":[1,2.0]}', {"a": [1, 2.0]}),
        ("lines = output.split()\nreturn lines[-1]", "one two", "two", None),
        ("len(output)", "abc", "3", 3),
        ("context['vars']['a']", "abc", "x", None),
    ],
)
def test_a_transform_makes_another_text_or_a_value_with_its_json(text, said, made, output):
    reply = transformed(text, attempt(said, variables={"a": "x"}, finish_reason="stop"))
    assert (reply.text, reply.output, reply.finish_reason) == (made, output, "stop")


def test_transforms_follow_upon_each_other():
    first = asyncio.run(
        apply_transform(open_transform("json.loads(output)", dialect="native", base=NOWHERE), attempt("[1]"))
    )
    assert transformed("output[0] + 1", first).output == 2


def test_javascript_is_the_language_of_promptfoo():
    assert transformed("output.toUpperCase()", attempt("abc"), dialect="promptfoo").text == "ABC"
    assert transformed("JSON.parse(output).a", attempt('{"a": {"b": 1}}'), dialect="promptfoo").output == {"b": 1}
    calls = attempt("", calls=[call("book")])
    assert transformed("output[0].function.name", calls, dialect="promptfoo").text == "book"


def test_a_file_is_in_the_language_of_its_ending(tmp_path):
    (tmp_path / "t.py").write_text(
        "def get_transform(output, context): return output[::-1]\ndef two(o, c): return o * 2"
    )
    (tmp_path / "t.js").write_text("module.exports = (output, context) => output + '!'")
    for dialect in ("native", "promptfoo"):
        assert transformed("file://t.py", attempt("ab"), dialect=dialect, base=tmp_path).text == "ba"
        assert transformed("file://t.py:two", attempt("ab"), dialect=dialect, base=tmp_path).text == "abab"
        assert transformed("file://t.js", attempt("ab"), dialect=dialect, base=tmp_path).text == "ab!"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("None", "returned nothing"),
        ("1/0", "ZeroDivisionError"),
        ("{1, 2}", "returned a set, which is neither a text nor JSON"),
        ("[object()]", "returned a object"),
    ],
)
def test_a_transform_that_breaks_is_an_error_under_both_signs(text, message):
    for type_ in ("contains", "not-contains"):
        with pytest.raises(ScorerError, match=f"transform: .*{message}"):
            judge(type_, "a", "a", transform=text)


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "transform is empty"), ("((", "transform: .*in line 1"), ("file://missing.py", "cannot read")],
)
def test_a_transform_that_cannot_work_is_refused_when_opened(text, message):
    with pytest.raises(MetapromptError, match=message) as caught:
        open_transform(text, dialect="native", base=NOWHERE, where=Place("s.yaml", 4))
    assert caught.value.where == Place("s.yaml", 4)


def test_an_assertion_judges_what_its_own_transform_makes():
    assert judge("equals", "3", "abc", transform="len(output)").passed
    assert judge("python", "output['a'] == 1", '{"a": 1}', transform="json.loads(output)").passed
    assert judge("not-contains", "a", "abc", transform="output[1:]").passed
    wanted = assertion("equals", "ABC", transform="output.toUpperCase()", dialect="promptfoo")
    assert verdict(wanted, attempt("abc")).passed


def test_without_an_engine_a_javascript_transform_skips(monkeypatch):
    monkeypatch.setattr(javascript_engines, "find_spec", lambda name: None)
    monkeypatch.setattr(javascript_engines.shutil, "which", lambda name: None)
    with pytest.raises(SkippedError, match="transform: it needs a JavaScript engine"):
        open_scorer(assertion("contains", "a", transform="output", dialect="promptfoo"), base=NOWHERE)


def test_texts_and_values_go_round():
    assert with_output(Reply("x"), "y") == Reply("y")
    assert with_output(Reply("x"), {"ä": None}) == Reply('{"ä":null}', output={"ä": None})


def test_code_of_promptfoo_is_told_what_it_is_told_there():
    tried = attempt("abc", variables={"a": "x"}, calls=[call("f", {})])
    tried = replace(tried, case=replace(tried.case, column_test=ColumnTest(metadata={"team": "north"})))
    keys = "Object.keys(context).sort().join()"
    assert transformed(keys, tried, dialect="promptfoo").text == "metadata,prompt,vars"
    code = "context.test.metadata.team === 'north' && context.test.vars.a === 'x'"
    assert verdict(assertion("javascript", code, dialect="promptfoo"), tried).passed
