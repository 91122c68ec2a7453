"""Judged suites as users meet them: a target, a judge, a meta model and an embedding model on one server."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from pytest_metaprompt.testing import Fault, embedding
from tests.conftest import Body, Project, append, envelope, system_of, user_of

HEAD = """\
routine: {inline: "You serve customers."}
target: {model: openai:small, base_url: BASE}
judge: {model: openai:judge, base_url: BASE}
cases:
"""
ONE = "  - {id: one, input: hello, assert: [{type: llm-rubric, value: greets the customer}]}\n"
NEGATED = ONE.replace("llm-rubric", "not-llm-rubric")


def data_of(body: Body) -> dict[str, Any]:
    """The data of a judge's question by its titles."""
    blocks = re.findall(r"^([^\n]+)\nBEGIN-DATA \w+\n(.*?)\nEND-DATA", user_of(body), re.MULTILINE | re.DOTALL)
    return {title: json.loads(text) for title, text in blocks}


def reads_the_reply(body: Body) -> str:
    """A judge that wants to see a greeting."""
    greets = "good day" in data_of(body)["reply to grade"].casefold()
    return json.dumps({"reason": "it greets" if greets else "no greeting", "pass": greets, "score": float(greets)})


def as_judge(project: Project, judge: Any, *, target: Any = lambda body: "Good day!") -> Project:
    project.target = lambda body: judge(body) if body["model"] == "judge" else target(body)
    return project


def test_a_reply_is_judged_and_the_reason_is_on_the_page(project: Project) -> None:
    as_judge(project, reads_the_reply, target=lambda body: "What?")
    project.suite(HEAD + ONE)
    after = project.run()
    assert after.code == 1
    assert "FAIL llm-rubric: no greeting" in after.text
    [attempt] = after.report["suites"][0]["cases"][0]["attempts"]
    [verdict] = attempt["verdicts"]
    assert verdict == {**verdict, "type": "llm-rubric", "passed": False, "score": 0.0, "reason": "no greeting"}
    assert data_of(project.asked("judge")[0])["reply to grade"] == "What?"


def test_calls_of_the_judge_are_counted_cached_and_capped(project: Project) -> None:
    as_judge(project, reads_the_reply)
    project.suite(HEAD + ONE, name="a")
    project.suite(HEAD + ONE, name="b")
    after = project.run("--metaprompt-concurrency=1")
    assert (after.report["usage"]["calls"], after.report["usage"]["cached"]) == (2, 2)
    capped = project.run("--metaprompt-max-calls=1", "--metaprompt-no-cache")
    capped.result.assert_outcomes(errors=2)
    assert "the budget of 1 calls is used up" in capped.text


@pytest.mark.parametrize("suite", [ONE, NEGATED])
@pytest.mark.parametrize(
    "answer", ["I like it.", '{"reason": "fine", "score": 1}', Fault.status(400, "no"), Fault.truncated_json()]
)
def test_a_judge_without_a_verdict_is_an_error_under_both_signs(project: Project, suite: str, answer: Any) -> None:
    as_judge(project, lambda body: answer)
    project.suite(HEAD + suite)
    after = project.run()
    after.result.assert_outcomes(errors=1)
    assert after.report["suites"][0]["cases"][0]["outcome"] == "error"
    assert "judge" in after.text
    assert after.report["suites"][0]["cases"][0]["attempts"][0]["text"] == "Good day!"


@pytest.mark.parametrize("suite", [ONE, NEGATED])
def test_a_judge_that_does_not_answer_in_time_is_an_error_under_both_signs(project: Project, suite: str) -> None:
    as_judge(project, lambda body: Fault.hang())
    project.suite(HEAD.replace("openai:judge,", "openai:judge, timeout_s: 0.2,") + suite)
    after = project.run()
    after.result.assert_outcomes(errors=1)
    assert "timed out after 0.2 s" in after.text


def test_a_server_without_structured_output_is_asked_in_plain_text(project: Project) -> None:
    def judge(body: Body) -> Any:
        if "response_format" in body:
            return Fault.status(400, json.dumps({"error": {"message": "response_format is not supported"}}))
        return f"Here is my verdict: {reads_the_reply(body)}"

    as_judge(project, judge)
    project.suite(HEAD + ONE + ONE.replace("one", "two").replace("hello", "hi"))
    project.run("--metaprompt-concurrency=1").result.assert_outcomes(passed=2)
    assert ["response_format" in body for body in project.asked("judge")] == [True, False, False]


def test_a_suite_without_a_judge_is_a_usage_error_that_says_what_to_type(project: Project) -> None:
    project.suite(HEAD.replace("judge: {model: openai:judge, base_url: BASE}\n", "") + ONE)
    after = project.run()
    assert after.code == 4
    assert "orders.metaprompt.yaml:4: llm-rubric: needs a judge, and the suite names none" in after.text
    assert "--metaprompt-judge=MODEL" in after.text
    assert not project.server.requests


def test_the_option_names_the_judge_and_so_does_the_ini_file(project: Project) -> None:
    as_judge(project, reads_the_reply)
    project.suite(HEAD.replace("openai:judge", "openai:nobody") + ONE)
    assert project.run("--metaprompt-judge=openai:judge").code == 0
    project.write_bytes("pytest.ini", b"[pytest]\nmetaprompt_judge = openai:judge\n")
    assert project.run().code == 0
    assert not project.asked("nobody")


def test_an_assertion_may_have_a_judge_of_its_own(project: Project) -> None:
    as_judge(project, reads_the_reply)
    own = ONE.replace("customer}", "customer, provider: {model: openai:judge, base_url: BASE, temperature: 0}}")
    project.suite(HEAD.replace("openai:judge", "openai:nobody") + own)
    assert project.run().code == 0
    assert project.asked("judge")[0]["temperature"] == 0
    assert not project.asked("nobody")


SIMILAR = """\
  - id: near
    input: hello
    assert: [{type: similar, value: hello there}, {type: not-similar, value: goodbye}]
"""


def with_vectors(project: Project, name: str) -> None:
    near = {"Good day!": (1.0, 0.1), "hello there": (1.0, 0.0), "goodbye": (0.0, 1.0)}

    def target(body: Body) -> Any:
        return embedding(*near[body["input"]]) if body["model"] == name else "Good day!"

    project.target = target


def test_similar_asks_the_embedding_model_of_the_suite(project: Project) -> None:
    with_vectors(project, "vectors")
    project.suite("embedding: {model: openai:vectors, base_url: BASE}\n" + HEAD + SIMILAR)
    after = project.run()
    assert after.code == 0
    assert [body["input"] for body in project.asked("vectors")] == ["Good day!", "hello there", "goodbye"]
    assert after.report["usage"]["calls"] == 4


def test_similar_falls_back_to_the_small_model_at_the_server_of_an_openai_judge(project: Project) -> None:
    with_vectors(project, "text-embedding-3-small")
    project.suite(HEAD + SIMILAR)
    assert project.run().code == 0


def test_similar_without_an_embedding_model_says_what_to_type(project: Project) -> None:
    project.suite('routine: {inline: "Hi."}\ntarget: "echo:"\ncases:\n' + SIMILAR)
    after = project.run()
    assert after.code == 4
    assert "similar: needs an embedding model, and the suite names none" in after.text
    project.suite('routine: {inline: "Hi."}\ntarget: "echo:"\nembedding: "echo:"\ncases:\n' + SIMILAR)
    assert "echo: gives no embeddings" in project.run().text


ROUTINE = "# Service\n\nYou serve customers of a shop.\nBe short.\n"
RULE = "Greet the customer first."


def repairable(project: Project, *, count: int = 24) -> Project:
    project.write_bytes("routine.md", ROUTINE.encode())
    cases = "".join(
        f"  - {{id: c{n}, input: question {n}, assert: [{{type: llm-rubric, value: greets the customer}}]}}\n"
        for n in range(count)
    )
    head = HEAD.replace('{inline: "You serve customers."}', "routine.md")
    project.suite(head.replace("cases:", "meta: {model: openai:big, base_url: BASE}\ncases:") + cases)
    project.meta = lambda body: envelope(append(RULE))

    def target(body: Body) -> str:
        return f"{'Good day! ' if RULE in system_of(body) else ''}About {user_of(body)}: yes."

    return as_judge(project, reads_the_reply, target=target)


def test_judged_cases_are_repaired_with_the_same_proof(project: Project) -> None:
    after = repairable(project).run("--metaprompt-fix")
    assert after.code == 0
    [repair] = after.report["repairs"]
    assert (repair["status"], repair["before"]["passed"], repair["after"]["passed"]) == ("applied", 0, 24)
    assert repair["holdout"]["fixed"] == 6
    assert RULE in after.files["routine.md"].decode()
    assert repair["calls"]["judge"] == 24 + 5  # the probe asks the judge anew, too: its verdicts may vary
    assert f"{repair['calls']['target']} target, 1 meta, 29 judge" in after.text
    shown = json.loads(json.dumps(project.asked("big")[0]))["messages"][1]["content"]
    assert "no greeting" in shown


def test_a_judge_that_breaks_down_during_a_repair_proves_nothing(project: Project) -> None:
    def judge(body: Body) -> str:
        return "I am tired." if "Good day" in data_of(body)["reply to grade"] else reads_the_reply(body)

    project = repairable(project)
    target = project.target
    project.target = lambda body: judge(body) if body["model"] == "judge" else target(body)
    after = project.run("--metaprompt-fix")
    assert after.code == 1
    assert after.files["routine.md"] == ROUTINE.encode()
    assert "gave no verdict" in after.text


def test_calls_of_the_judge_count_against_the_budget_of_a_repair(project: Project) -> None:
    project = repairable(project)
    suite = (project.path / "orders.metaprompt.yaml").read_text()
    project.suite("fix: {budget: {calls: 10}}\n" + suite)
    [repair] = project.run("--metaprompt-fix", "--metaprompt-concurrency=1").report["repairs"]
    assert repair["status"] == "budget"
    assert repair["calls"]["target"] + repair["calls"]["judge"] + repair["calls"]["meta"] == 10
    assert repair["calls"]["judge"] > 0


def test_a_rubric_may_be_said_in_the_routine_because_it_is_no_answer(project: Project) -> None:
    project = repairable(project)
    project.meta = lambda body: envelope(append(f"{RULE} A good reply greets the customer."))
    assert project.run("--metaprompt-fix").code == 0


# As GitHub's own pages write such a file.
GITHUB = """\
name: Text Summarizer
description: Summarizes input text concisely
model: openai/gpt-4o-mini
modelParameters:
  temperature: 0.5
messages:
  - role: system
    content: You are a text summarizer. Your only job is to summarize text given to you.
  - role: user
    content: |
      Summarize the given text, beginning with "Summary -":
      <text>
      {{input}}
      </text>
testData:
  - input: |
      The quick brown fox jumped over the lazy dog.
    expected: Summary - A fox jumped over a lazy, unsuspecting dog.
evaluators:
  - name: Output should start with 'Summary -'
    string:
      startsWith: 'Summary -'
  - name: Similarity
    uses: github/similarity
"""


def test_a_prompt_file_of_github_runs_as_it_stands_with_its_judge(project: Project) -> None:
    as_judge(project, reads_the_reply, target=lambda body: "Summary - Good day!")
    project.write_bytes("summary.prompt.yml", GITHUB.encode())
    env = {"GITHUB_MODELS_BASE_URL": project.server.base_url, "GITHUB_TOKEN": "x", "OPENAI_API_KEY": "x"}
    env |= {"OPENAI_BASE_URL": project.server.base_url}
    after = project.run("summary.prompt.yml", "--metaprompt-judge=openai:judge", env=env)
    assert after.code == 0, after.text
    assert [body["model"] for body in project.asked("openai/gpt-4o-mini")] == ["openai/gpt-4o-mini"]
    assert "right answer: Summary - A fox jumped" in data_of(project.asked("judge")[0])["rubric"]
