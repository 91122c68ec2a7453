"""What other tools ask of a judge, where a suite can have judged assertions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_metaprompt.converting import convert_file
from pytest_metaprompt.converting.drafts import Draft
from pytest_metaprompt.errors import MetapromptError

JUDGED = ("llm-rubric", "factuality", "model-graded-closedqa", "similar")


def draft_of(path: Path, name: str, text: str, *, known: tuple[str, ...] = JUDGED) -> Draft:
    file = path / name
    file.write_text(text, encoding="utf-8")
    return convert_file(file, kind=None, known=known, folder=path, name=None)


GITHUB = """\
messages: [{role: user, content: "{{input}}"}]
testData: [{input: a, expected: b}]
evaluators:
  - {name: alike, uses: github/similarity}
  - name: tone
    llm:
      modelId: openai/gpt-4.1
      prompt: "How kind is {{completion}}?"
      choices: [{choice: rude, score: 0}, {choice: kind, score: 1}, {choice: polite, score: 0.5}]
"""


def test_judged_evaluators_of_github_become_rubrics(tmp_path: Path) -> None:
    draft = draft_of(tmp_path, "a.prompt.yml", GITHUB)
    assert draft.asserts == [
        {
            "type": "llm-rubric",
            "value": "The reply means the same as this right answer: {{expected}}",
            "metric": "alike",
        },
        {
            "type": "llm-rubric",
            "value": "How kind is (the reply)?\n\nPass if the answer would be: kind, polite.",
            "metric": "tone",
        },
    ]
    assert draft.judge == "github:openai/gpt-4o"
    assert ("evaluator tone: its judge github:openai/gpt-4.1", "a suite has one judge, github:openai/gpt-4o") in [
        (left.what, left.why) for left in draft.left_out
    ]


def test_what_no_assertion_can_judge_is_left_out_by_name(tmp_path: Path) -> None:
    with pytest.raises(MetapromptError, match="evaluator alike: there is no assertion 'llm-rubric'"):
        draft_of(tmp_path, "a.prompt.yml", GITHUB, known=("equals",))


def test_graders_that_are_models_become_rubrics(tmp_path: Path) -> None:
    graders = [
        {"type": "label_model", "name": "label", "model": "gpt-x",
         "labels": ["good", "bad"], "passing_labels": ["good"],
         "input": [{"role": "developer", "content": "Label it."},
                   {"role": "user", "content": {"type": "input_text", "text": "{{ sample.output_text }}"}}]},
        {"type": "text_similarity", "name": "near", "input": "{{sample.output_text}}", "reference": "{{item.a}}",
         "evaluation_metric": "cosine", "pass_threshold": 0.8},
        {"type": "text_similarity", "name": "rouge", "input": "{{sample.output_text}}", "reference": "{{item.a}}",
         "evaluation_metric": "rouge_l", "pass_threshold": 0.8},
        {"type": "multi", "name": "all"},
    ]  # fmt: skip
    source = {"type": "file_content", "content": [{"item": {"a": "b"}}]}
    template = {"type": "template", "template": [{"role": "user", "content": "{{item.a}}"}]}
    run = {"data_source": {"type": "completions", "input_messages": template, "source": source}}
    draft = draft_of(tmp_path, "h.json", json.dumps([{"testing_criteria": graders}, run]))
    assert draft.asserts == [
        {
            "type": "llm-rubric",
            "value": "Label it.\n\n(the reply)\n\nPass if the label would be: good.",
            "metric": "label",
        },
        {"type": "similar", "value": "{{item.a}}", "threshold": 0.8, "metric": "near"},
    ]
    assert draft.judge == "openai:gpt-x"
    assert [left.what for left in draft.left_out] == [
        "grader label: its labels or scores",
        "grader rouge",
        "grader all",
    ]


@pytest.mark.parametrize(
    ("arguments", "assertion"),
    [
        ("modelgraded_spec: fact", {"type": "factuality", "value": "{{ideal}}"}),
        (
            "modelgraded_spec: closedqa, modelgraded_spec_args: {criteria: is it right?}",
            {"type": "model-graded-closedqa", "value": "is it right?"},
        ),
    ],
)
def test_model_graded_evals_become_judged_assertions(tmp_path: Path, arguments: str, assertion: dict[str, str]) -> None:
    (tmp_path / "s.jsonl").write_text('{"input": "a", "ideal": "b"}\n', encoding="utf-8")
    registry = (
        "e.dev.v0:\n  class: evals.elsuite.modelgraded.classify:ModelBasedClassify\n"
        f"  args: {{samples_jsonl: s.jsonl, eval_type: cot_classify, {arguments}}}\n"
    )
    draft = draft_of(tmp_path, "e.yaml", registry)
    assert draft.cases == [{"dataset": "s.jsonl", "input": "{{input}}", "assert": [assertion]}]
