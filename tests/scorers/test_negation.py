import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_metaprompt.errors import MetapromptError
from pytest_metaprompt.protocols import Graders
from pytest_metaprompt.results import Verdict
from pytest_metaprompt.scorers import GRADED, KNOWN, open_scorer
from pytest_metaprompt.scorers.negation import Negated
from pytest_metaprompt.suites import ModelSpec
from pytest_metaprompt.testing import ScriptedClient

from .asking import NOWHERE, assertion, attempt, call, judge

words = st.sampled_from(["a", "A", "b", "42", "true", "null", "é"])
scalars = st.one_of(st.none(), st.booleans(), st.integers(0, 2), st.sampled_from([1.0, 0.5]), words)
structures = st.one_of(st.lists(scalars, max_size=2), st.dictionaries(words, scalars, max_size=2))
VALUES = {
    "equals": st.one_of(scalars, structures),
    "contains": words,
    "icontains": words,
    "starts-with": words,
    "regex": st.sampled_from(["a", "[ab]$", r"^\d+$", "(?i)TRUE", "("]),
    "is-json": st.sampled_from(
        [None, {}, {"type": "object"}, {"type": "number"}, {"$ref": "#"}, {"$ref": "other.json"}, {"type": "nonsense"}]
    ),
    "json": st.one_of(scalars.filter(lambda value: not isinstance(value, str)), structures, st.just("{")),
    "tool-call": st.sampled_from(["a", "b", {"name": "a", "arguments": {"n": 1}}, {"name": "a", "arguments": {}}, {}]),
    "evals-match": st.sampled_from(["a", "42", ["b", "true"], "", [], {"a": 1}]),
    "python": st.sampled_from(
        ["output == 'a'", "len(output)", "0.3", "1 / 0", "None", "{'pass': False, 'score': 0.7}", "(("]
    ),
    "contains-any": st.one_of(st.lists(words), words, st.just("a, b")),
    "contains-all": st.one_of(st.lists(words), words, st.just("a, b")),
    "icontains-any": st.one_of(st.lists(words), words, st.just("a, b")),
    "icontains-all": st.one_of(st.lists(words), words, st.just("a, b")),
    "contains-json": st.sampled_from([None, {"type": "object"}, {"type": "array"}, {"$ref": "other.json"}, "]"]),
    "is-xml": st.sampled_from([None, "a", ["a.b"], {"requiredElements": ["a"]}, {}]),
    "contains-xml": st.sampled_from([None, "a", ["a.b"]]),
    "is-html": st.none(),
    "contains-html": st.none(),
    "tool-calls": st.lists(st.sampled_from(["a", "b", {"name": "a", "arguments": {"n": 1}}, 3]), max_size=3),
    "tool-call-f1": st.sampled_from(["a", "a,b", ["b"], []]),
    "is-valid-openai-tools-call": st.none(),
    "is-valid-function-call": st.none(),
    "is-valid-openai-function-call": st.none(),
    "levenshtein": words,
    "word-count": st.sampled_from([0, 1, "2", {"min": 1}, {"max": 3}, {"min": 0}, "x"]),
    "rouge-n": words,
    "bleu": words,
    "gleu": words,
    "latency": st.none(),
    "cost": st.none(),
    "finish-reason": st.sampled_from(["stop", "LENGTH"]),
    "is-refusal": st.none(),
    "perplexity": st.none(),
    "perplexity-score": st.none(),
    "javascript": st.sampled_from(["output === 'a'", "output.length", "0.3", "throw 1", "null", "({pass: false})"]),
    "webhook": st.sampled_from(["http://127.0.0.1:9/", "no address"]),
    "assert-set": st.none(),
}
THRESHOLDS = {"latency": 50, "cost": 0.1, "perplexity": 2, "perplexity-score": 0.4, "levenshtein": 1}
CHILDREN = {"assert-set": [assertion("contains", "a"), assertion("python", "len(output) / 9")]}
TOOLS = {"tools": [{"function": {"name": "a", "parameters": {"type": "object", "required": ["n"]}}}]}
texts = st.one_of(
    st.sampled_from(["", "a", "A", "true", "null", "42", "42.0", "{}", "[1]", '{"a": 1}', "```\n{}\n```"]), st.text()
)
calls = st.lists(
    st.sampled_from([call("a", {"n": 1.0}), call("a", {}), call("a", None, "{"), call("b", {})]), max_size=2
)


GRADED_VALUES = st.sampled_from(["a", "b", ["a", "b"], None, 3, {"a": 1}])
VALUES |= dict.fromkeys(GRADED, GRADED_VALUES)


def _outcome(wanted, tried, answer=""):
    """The verdict, or the sort of the error. A graded assertion's judge and embedding model both give the answer."""
    model = ModelSpec("openai", "any")
    client = ScriptedClient(lambda request: answer)
    graders = Graders(client, client, lambda value: model, judge=model, embedding=model)
    try:
        return asyncio.run(open_scorer(wanted, base=NOWHERE, graders=graders).score(tried))
    except MetapromptError as error:
        return type(error)


ANSWERS = [
    "",
    "I cannot say.",
    '{"pass": true}',
    '{"pass": "yes", "score": 1}',
    '{"reason": "no", "pass": false, "score": 0.2}',
    '{"reason": "fine", "pass": true, "score": 1, "category": "C", "steps": ["look"], "questions": ["q?"]}',
    '{"category": "D"}',
    '{"score": 7, "steps": ["look"]}',
    '{"items": [{"number": 1, "attributed": true, "relevant": false, "supported": true}]}',
    "[1, 0]",
    "[]",
]


def test_every_type_is_covered_here():
    assert VALUES.keys() == KNOWN


@pytest.mark.parametrize("kind", sorted(KNOWN))
@settings(deadline=None, max_examples=40)
@given(data=st.data(), text=texts, calls=calls)
def test_not_turns_every_verdict_round_and_leaves_every_error_an_error(kind, data, text, calls):
    value, answer = data.draw(VALUES[kind]), data.draw(st.sampled_from(ANSWERS))
    measured = data.draw(
        st.sampled_from(
            [{"params": TOOLS}, {"finish_reason": "stop", "latency_s": 0.1, "cost_usd": 0.2, "logprobs": (-0.1, -3.0)}]
        )
    )
    tried = attempt(text, calls=calls, variables={"query": "q?", "context": "It is a."}, **measured)
    fields = {"threshold": THRESHOLDS.get(kind), "children": CHILDREN.get(kind, ())}
    plain, negated = (_outcome(assertion(type_, value, **fields), tried, answer) for type_ in (kind, f"not-{kind}"))
    if isinstance(plain, Verdict):
        assert negated.passed is not plain.passed
        assert negated.score == pytest.approx(1 - plain.score)
        assert (plain.type, negated.type) == (kind, f"not-{kind}")
        assert 0 <= plain.score <= 1
        assert plain.reason
    else:
        assert negated is plain


def test_the_reason_says_what_should_not_have_been():
    assert judge("not-contains", "a", "abc").reason == "must not hold, but it does: the reply contains 'a'"


def test_the_reason_of_a_pass_says_why_it_does_not_hold():
    reason = judge("not-equals", "a", "b").reason
    assert reason == "does not hold, as wanted: expected 'a', got 'b'"


def test_what_the_inner_scorer_raises_passes_through_untouched():
    error = RuntimeError("a bug of ours")

    class Broken:
        async def score(self, attempt):
            raise error

    with pytest.raises(RuntimeError) as caught:
        asyncio.run(Negated(Broken()).score(attempt("a")))
    assert caught.value is error
