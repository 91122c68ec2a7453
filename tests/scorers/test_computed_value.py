import pytest

from pytest_metaprompt.errors import MetapromptError, ScorerError, SkippedError
from pytest_metaprompt.scorers import check, javascript_engines, open_scorer

from .asking import HERE, assertion, attempt, judge, verdict


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "v.py").write_text(
        "def get_value(output, context): return context['vars']['name']\n"
        "def empty(output, context): return ''\n"
        "def odd(output, context): return {1, 2}\n"
        "def broken(output, context): return 1 / 0\n"
    )
    (tmp_path / "v.js").write_text("module.exports = {both: () => ['a', 'b']};\n")
    return tmp_path


def test_a_function_computes_the_value(folder):
    tried = attempt("Hello Ann", variables={"name": "Ann"})
    assert verdict(assertion("contains", "file://v.py"), tried, base=folder).passed
    assert not verdict(assertion("not-contains", "file://v.py"), tried, base=folder).passed
    assert judge("contains-all", "file://v.js:both", "a b", base=folder).passed


@pytest.mark.parametrize(
    ("name", "message"),
    [("empty", "value is empty"), ("odd", "the computed value: a set"), ("broken", "ZeroDivisionError")],
)
def test_a_value_that_does_not_fit_is_an_error_under_both_signs(folder, name, message):
    for type_ in ("contains", "not-contains"):
        with pytest.raises(ScorerError, match=f"{type_}: .*{message}") as caught:
            judge(type_, f"file://v.py:{name}", "a", base=folder)
        assert caught.value.where == HERE


def test_a_file_that_cannot_be_used_is_refused_when_opened(folder):
    check(assertion("contains", "file://missing.py"))
    for value, message in [("file://missing.py", "cannot read"), ("file://v.py:gone", "has no function 'gone'")]:
        with pytest.raises(MetapromptError, match=message):
            open_scorer(assertion("contains", value), base=folder)


def test_without_an_engine_it_is_skipped(folder, monkeypatch):
    monkeypatch.setattr(javascript_engines, "find_spec", lambda name: None)
    monkeypatch.setattr(javascript_engines.shutil, "which", lambda name: None)
    with pytest.raises(SkippedError, match="contains-all: it needs a JavaScript engine"):
        open_scorer(assertion("contains-all", "file://v.js:both"), base=folder)
