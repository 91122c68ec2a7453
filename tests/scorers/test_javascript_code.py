import pytest

from pytest_metaprompt.errors import MetapromptError, ScorerError, SkippedError
from pytest_metaprompt.scorers import check, javascript_engines, open_scorer
from pytest_metaprompt.scorers.code import CodeError

from .asking import HERE, NOWHERE, assertion, attempt, judge, refusal, user, verdict

ENGINES = [
    javascript_engines.run_in_mini_racer,
    javascript_engines.run_in_quickjs,
    javascript_engines.run_in_node,
]


@pytest.fixture(params=ENGINES, ids=lambda engine: engine.__name__.removeprefix("run_in_"))
def engine(request, monkeypatch):
    monkeypatch.setattr("pytest_metaprompt.scorers.javascript_code.find_engine", lambda: request.param)
    return request.param


@pytest.mark.parametrize(
    ("code", "text", "passed", "score"),
    [
        ("output.length === 3", "abc", True, 1),
        ("output.length === 3; ", "abcd", False, 0),
        ("const s = JSON.parse(output).score; s > 0.5", '{"score": 0.7}', True, 1),
        ("const a = 'x;y'; output === a\n\n", "x;y", True, 1),
        ("if (output === 'a') {\n  return 0.25;\n}\nreturn false;\n", "a", True, 0.25),
        ("({pass: output === 'a', score: 0.3, reason: 'because'})", "a", True, 0.3),
        ("{pass: false, score: 0.3, reason: 'no'}", "a", False, 0.3),
        ("Promise.resolve(output === 'a')", "a", True, 1),
        ("`${output}` === 'ß%OUTPUT%'", "ß%OUTPUT%", True, 1),
    ],
)
def test_one_line_is_an_expression_and_several_are_a_body(engine, code, text, passed, score):
    found = judge("javascript", code, text)
    assert (found.passed, found.score) == (passed, score)


@pytest.mark.parametrize("type_", ["javascript", "not-javascript"])
@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("missing.x", "ReferenceError: .*missing"),
        ("throw 1\nreturn true", "threw 1"),
        ("Promise.reject(new Error('no'))", "Error: no"),
        ("undefined", "returned nothing"),
        ("null", "returned nothing"),
        ("output ===", "SyntaxError"),
        ("'yes'", "expected a truth value, a number or a mapping with 'pass', got 'yes'"),
        ("0 / 0", "the result is NaN"),
        ("({score: 1})", "the result has no 'pass'"),
    ],
)
def test_code_that_breaks_is_an_error_under_both_signs(engine, type_, code, message):
    with pytest.raises(ScorerError, match=f"{type_}: .*{message}") as caught:
        judge(type_, code)
    assert caught.value.where == HERE


def test_code_that_does_not_end_is_stopped(engine, monkeypatch):
    monkeypatch.setattr(javascript_engines, "SECONDS", 0.5)
    with pytest.raises(ScorerError, match=r"it ran for more than 0\.5 seconds"):
        judge("javascript", "while (true) {}\nreturn true")


def test_code_that_eats_memory_is_stopped(engine):
    with pytest.raises(ScorerError, match="it used more than 64 MB of memory"):
        judge("javascript", "const a = [];\nwhile (true) a.push(new Array(100000).fill(1));\nreturn true")


def test_nothing_is_left_over_from_one_attempt_to_the_next(engine):
    code = "const was = globalThis.seen;\nglobalThis.seen = 1;\nreturn was === undefined"
    assert judge("javascript", code).passed
    assert judge("javascript", code).passed


def test_the_context_holds_vars_prompt_and_config():
    code = "context.vars.a[0] === 1 && context.prompt[0].content === 'hi' && context.config.b === 2"
    tried = attempt("x", variables={"a": (1,)}, messages=[user("hi")])
    assert verdict(assertion("javascript", code, config={"b": 2}), tried).passed
    wanted = assertion("javascript", "context.prompt === 'hi'", dialect="promptfoo")
    assert verdict(wanted, tried).passed


def test_an_engine_in_this_process_has_no_files(monkeypatch):
    for code in ("typeof require === 'undefined'", "typeof process === 'undefined'"):
        assert judge("javascript", code).passed


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "fn.js").write_text("module.exports = (output, context) => output === context.vars.a;\n")
    (tmp_path / "several.js").write_text(
        "module.exports = { short: (output) => ({pass: output.length < 3, score: 0.5, reason: 'length'}), n: 3 };\n"
    )
    (tmp_path / "path.js").write_text(
        "const path = require('path');\nmodule.exports = (o) => path.basename(o) === 'b';\n"
    )
    (tmp_path / "es.mjs").write_text(
        "export default async (output) => output === 'a';\nexport const no = () => false;\n"
    )
    return tmp_path


@pytest.mark.parametrize(
    ("value", "text", "passed"),
    [
        ("file://fn.js", "x", True),
        ("file://fn.js", "y", False),
        ("file://several.js:short", "abc", False),
        ("file://path.js", "/a/b", True),
        ("file://es.mjs", "a", True),
        ("file://es.mjs:no", "a", False),
    ],
)
def test_a_file_exports_the_function(folder, value, text, passed):
    tried = attempt(text, variables={"a": "x"})
    assert verdict(assertion("javascript", value), tried, base=folder).passed is passed


def test_a_function_that_is_not_there_is_an_error(folder):
    for value in ("file://several.js:missing", "file://several.js:n", "file://es.mjs:missing"):
        with pytest.raises(ScorerError, match=r"no function (missing|n) is exported"):
            judge("javascript", value, base=folder)


@pytest.mark.parametrize(
    ("value", "message"), [("file://missing.js", "cannot read"), ("file://fn.ts", "does not name a JavaScript file")]
)
def test_a_file_that_cannot_be_used_is_refused_when_opened(folder, value, message):
    with pytest.raises(MetapromptError, match=message) as caught:
        open_scorer(assertion("javascript", value), base=folder)
    assert caught.value.where == HERE


@pytest.mark.parametrize("value", [None, "  ", 3])
def test_a_value_that_is_no_code_is_refused(value):
    assert "value must be JavaScript code" in refusal("javascript", value)


def test_without_an_engine_the_case_is_skipped_and_told_what_to_type(monkeypatch, folder):
    monkeypatch.setattr(javascript_engines, "find_spec", lambda name: None)
    monkeypatch.setattr(javascript_engines.shutil, "which", lambda name: None)
    check(assertion("javascript", "true"))
    with pytest.raises(
        SkippedError, match=r'javascript: it needs a JavaScript engine \(pip install "pytest-metaprompt\[js\]"\)'
    ):
        open_scorer(assertion("javascript", "true"), base=NOWHERE)
    with pytest.raises(SkippedError, match=r"javascript: it needs Node\.js: path\.js uses modules"):
        open_scorer(assertion("not-javascript", "file://path.js"), base=folder)


def test_the_engine_inside_comes_before_node(monkeypatch):
    installed = {"py_mini_racer", "quickjs"}
    monkeypatch.setattr(javascript_engines, "find_spec", lambda name: name in installed)
    monkeypatch.setattr(javascript_engines.shutil, "which", lambda name: "/bin/node")
    for gone, left in [(None, "run_in_mini_racer"), ("py_mini_racer", "run_in_quickjs"), ("quickjs", "run_in_node")]:
        installed.discard(gone)
        assert javascript_engines.find_engine().__name__ == left


def test_a_program_that_an_engine_cannot_read_at_all_is_an_error():
    for engine in ENGINES:
        with pytest.raises(CodeError):
            engine("(((")
