"""Foreign files, converted by the command and run by pytest: the same cases, the same verdicts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pytest_metaprompt.commands import main
from pytest_metaprompt.formats.marked import read_marked
from pytest_metaprompt.formats.schemas import read_schema
from tests.conftest import Body, Project

Out = pytest.CaptureFixture[str]


def chat(system: str, user: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": system}, {"role": "user", "content": user}]


def lines(*rows: object) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def suite_of(path: Path) -> Any:
    """The suite, which the schema that editors use must accept, too."""
    suite = read_marked(path.read_text(encoding="utf-8"), path.name).root.plain()
    jsonschema.Draft202012Validator(read_schema()).validate(suite)
    return suite


def outcomes(project: Project, suite: str, *args: str) -> list[str]:
    after = project.run(suite, *args)
    assert after.report is not None, after.text
    return [case["outcome"] for case in after.report["suites"][0]["cases"]]


REGISTRY = """\
capitals:
  id: capitals.dev.v0
  description: Capitals of countries.
  metrics: [accuracy]
capitals.dev.v0:
  class: evals.elsuite.basic.CLASS
  args:
    samples_jsonl: capitals/samples.jsonl
"""
SAMPLES = lines(
    {"input": chat("Be {brief}.", "Paris, France"), "ideal": "Paris"},
    {"input": chat("Be {brief}.", "I think Rome"), "ideal": ["Rome", "Roma"]},
    {"input": chat("Be {brief}.", "the MADRID!"), "ideal": "Madrid"},
)


@pytest.mark.parametrize(
    ("name", "verdicts"),
    [
        ("match:Match", ["passed", "failed", "failed"]),
        ("includes:Includes", ["passed", "passed", "failed"]),
        ("fuzzy_match:FuzzyMatch", ["passed", "passed", "passed"]),
        ("json_match:JsonMatch", ["failed", "failed", "failed"]),
    ],
)
def test_an_eval_of_the_registry_runs_as_a_suite(project: Project, out: Out, name: str, verdicts: list[str]) -> None:
    project.write_bytes("registry/evals/capitals.yaml", REGISTRY.replace("CLASS", name).encode())
    project.write_bytes("registry/data/capitals/samples.jsonl", SAMPLES.encode())
    assert main(["convert", "registry/evals/capitals.yaml", "-o", "evals/capitals.metaprompt.yaml"]) == 0
    printed = out.readouterr().out
    assert "wrote evals/capitals.metaprompt.yaml with 3 cases and its routine evals/capitals.prompty" in printed
    assert "the suite names no target yet" in printed
    suite = suite_of(project.path / "evals/capitals.metaprompt.yaml")
    assert suite["description"] == "Capitals of countries."
    assert suite["cases"][0]["dataset"] == "../registry/data/capitals/samples.jsonl"
    routine = (project.path / "evals/capitals.prompty").read_text()
    assert routine == "---\nname: capitals\n---\nsystem:\nBe {brief}.\n\nuser:\n{{input}}\n"
    assert outcomes(project, "evals", "--metaprompt-target=echo:") == verdicts


def test_the_target_gets_the_messages_of_the_samples(project: Project) -> None:
    project.write(s_dot_jsonl=SAMPLES)
    assert main(["convert", "s.jsonl", "--target", "openai:small"]) == 0
    suite = (
        (project.path / "s.metaprompt.yaml")
        .read_text()
        .replace("target: openai:small", f"target: {{model: openai:small, base_url: {project.server.base_url}}}")
    )
    project.write_bytes("s.metaprompt.yaml", suite.encode())
    project.target = lambda body: body["messages"][-1]["content"]
    assert outcomes(project, "s.metaprompt.yaml", "--metaprompt-concurrency=1") == ["passed", "failed", "failed"]
    assert [body["messages"] for body in project.asked("small")] == [
        json.loads(r)["input"] for r in SAMPLES.splitlines()
    ]


def test_samples_of_different_shapes_keep_their_own_messages(project: Project) -> None:
    longer = [*chat("Be brief.", "Hello"), {"role": "assistant", "content": "Hi"}, {"role": "user", "content": "yes"}]
    project.write(
        s_dot_jsonl=lines({"input": chat("Be brief.", "no"), "ideal": "no"}, {"input": longer, "ideal": "no"})
    )
    assert main(["convert", "s.jsonl", "--target", "echo:"]) == 0
    assert [len(case["messages"]) for case in suite_of(project.path / "s.metaprompt.yaml")["cases"]] == [1, 3]
    assert outcomes(project, "s.metaprompt.yaml") == ["passed", "failed"]


def test_samples_without_anything_in_common_are_refused(project: Project, out: Out) -> None:
    project.write(s_dot_jsonl=lines({"input": chat("a", "b"), "ideal": "no"}, {"input": "c", "ideal": "no"}))
    assert main(["convert", "s.jsonl"]) == 1
    assert "share neither a first message nor a shape, so there is no prompt to test" in out.readouterr().err
    assert not (project.path / "s.metaprompt.yaml").exists()


def test_few_shot_examples_become_turns(project: Project) -> None:
    shots = lines(
        {"sample": [
            {"role": "system", "name": "example_user", "content": "1+1"},
            {"role": "system", "name": "example_assistant", "content": "2"},
        ]},
        {"sample": [{"role": "user", "content": "unused"}]},
    )  # fmt: skip
    registry = REGISTRY.replace("CLASS", "match:Match") + "    few_shot_jsonl: shots.jsonl\n    num_few_shot: 1\n"
    project.write(e_dot_yaml=registry, samples_dot_jsonl=SAMPLES, shots_dot_jsonl=shots)
    assert main(["convert", "e.yaml"]) == 0
    assert (
        (project.path / "e.prompty")
        .read_text()
        .endswith("system:\nBe {brief}.\n\nuser:\n1+1\n\nassistant:\n2\n\nuser:\n{{input}}\n")
    )


def test_a_registry_with_several_evals_is_converted_one_by_one(project: Project, out: Out) -> None:
    two = REGISTRY.replace("CLASS", "match:Match") + REGISTRY.replace("CLASS", "includes:Includes").replace(
        "capitals", "towns"
    )
    project.write(e_dot_yaml=two, samples_dot_jsonl=SAMPLES)
    assert main(["convert", "e.yaml", "--name", "towns"]) == 0
    assert "eval capitals.dev.v0: a suite is one eval: convert it with  --name capitals.dev.v0" in out.readouterr().out
    assert suite_of(project.path / "e.metaprompt.yaml")["cases"][0]["assert"][0]["mode"] == "includes"
    assert main(["convert", "e.yaml", "--name", "cities", "--force"]) == 1
    assert "there is no eval 'cities' in it (known: capitals.dev.v0, towns.dev.v0)" in out.readouterr().err


def test_an_eval_of_its_own_class_is_refused(project: Project, out: Out) -> None:
    project.write(e_dot_yaml=REGISTRY.replace("basic.CLASS", "mine:Own"), samples_dot_jsonl=SAMPLES)
    assert main(["convert", "e.yaml"]) == 1
    assert "what the class 'mine:Own' checks cannot be told by assertions" in out.readouterr().err


GITHUB = """\
name: Sentiment
description: Tell the sentiment.
model: openai/gpt-4o-mini
modelParameters: {temperature: 0.2, maxTokens: 30}
messages:
  - role: system
    content: |
      You are a critic.
      Answer in one word.
  - {role: user, content: "{{review}} {{expected}}"}
testData:
  - {review: Fine pots., expected: Positive}
  - {review: "1e5", expected: negative}
evaluators:
  - {name: has it, string: {contains: POSITIVE}}
  - {name: starts, string: {startsWith: fine}}
  - {name: ends, string: {endsWith: "{{expected}}"}}
  - {name: mine, uses: custom/thing}
"""


def test_a_prompt_file_of_github_runs_as_a_suite(project: Project, out: Out) -> None:
    project.write_bytes("sentiment.prompt.yml", GITHUB.encode())
    assert main(["convert", "sentiment.prompt.yml"]) == 0
    assert "evaluator mine: there is no evaluator 'custom/thing'" in out.readouterr().out
    suite = suite_of(project.path / "sentiment.metaprompt.yaml")
    assert suite["target"] == {"model": "github:openai/gpt-4o-mini", "temperature": 0.2, "max_tokens": 30}
    report = project.run("sentiment.metaprompt.yaml", "--metaprompt-target=echo:").report
    cases = report["suites"][0]["cases"]
    assert [case["outcome"] for case in cases] == ["passed", "failed"]
    assert [verdict["passed"] for verdict in cases[1]["attempts"][0]["verdicts"]] == [False, False, True]


@pytest.mark.parametrize(
    ("spoilt", "problem"),
    [
        (GITHUB.replace("string", "strings"), "the file has no test data of which something can be checked"),
        (GITHUB.replace("role: user", "role: tool"), "a message of the role 'tool' cannot be part of a routine"),
    ],
)
def test_a_prompt_file_that_cannot_be_a_suite_is_refused(project: Project, out: Out, spoilt: str, problem: str) -> None:
    project.write_bytes("s.prompt.yml", spoilt.encode())
    assert main(["convert", "s.prompt.yml"]) == 1
    assert problem in out.readouterr().err


GOLDENS = [
    {"input": "Paris", "actual_output": "x", "expected_output": "Paris", "retrieval_context": ["a", "b"]},
    {"input": "Rome", "expectedOutput": "Roma", "context": ["c"], "sourceFile": "f"},
    {"input": "Oslo", "expected_tools": [{"name": "look_up", "input_parameters": {"city": "Oslo"}}]},
    {"input": "Nothing is expected of this"},
]


def test_goldens_of_deepeval_run_as_a_suite(project: Project, out: Out) -> None:
    project.write(g_dot_json=json.dumps(GOLDENS))
    assert main(["convert", "g.json", "--target", "echo:"]) == 0
    printed = out.readouterr().out
    for left in ("actual_output: it is the recorded reply", "golden 4: nothing of it", "metrics: they are in Python"):
        assert left in printed
    cases = suite_of(project.path / "g.metaprompt.yaml")["cases"]
    assert cases[0]["vars"] == {"retrieval_context": ["a", "b"]}
    assert cases[2]["assert"] == [{"type": "tool-call", "value": {"name": "look_up", "arguments": {"city": "Oslo"}}}]
    assert outcomes(project, "g.metaprompt.yaml") == ["passed", "failed", "failed"]


def test_goldens_in_a_csv_have_lists_with_semicolons(project: Project) -> None:
    project.write(g_dot_csv="input,expected_output,context\nParis,Paris,a;b\nRome,Roma,\n")
    assert main(["convert", "g.csv", "--target", "echo:"]) == 0
    assert suite_of(project.path / "g.metaprompt.yaml")["cases"][0]["vars"] == {"context": ["a", "b"]}
    assert outcomes(project, "g.metaprompt.yaml") == ["passed", "failed"]


HOSTED = {
    "eval": {
        "object": "eval", "name": "Tickets", "data_source_config": {"type": "custom", "schema": {}},
        "testing_criteria": [
            {"type": "string_check", "name": "exact", "input": "{{ sample.output_text }}",
             "operation": "eq", "reference": "{{item.label}}"},
            {"type": "string_check", "name": "not x", "input": "{{sample.output_text}}",
             "operation": "ne", "reference": "x"},
            {"type": "python", "name": "code", "pass_threshold": 0.5,
             "source": "def grade(sample, item):\n    return 1.0 if sample['output_text'] == item['label'] else 0.0"},
            {"type": "string_check", "name": "json", "input": "{{sample.output_json.a}}",
             "operation": "eq", "reference": "x"},
        ],
    },
    "run": {
        "object": "eval.run",
        "data_source": {
            "type": "completions", "model": "gpt-small", "sampling_params": {"temperature": 0, "seed": None},
            "input_messages": {"type": "template", "template": [
                {"type": "message", "role": "developer", "content": {"type": "input_text", "text": "Label it."}},
                {"type": "message", "role": "user", "content": "{{item.ticket}}"},
            ]},
            "source": {"type": "file_content", "content": [
                {"item": {"ticket": "hardware", "label": "hardware"}},
                {"item": {"ticket": "My screen is dark", "label": "hardware"}},
            ]},
        },
    },
}  # fmt: skip


@pytest.mark.parametrize("content", [HOSTED, [HOSTED["eval"], HOSTED["run"]]], ids=["mapping", "list"])
def test_a_hosted_eval_with_its_run_is_a_suite(project: Project, out: Out, content: object) -> None:
    project.write(h_dot_json=json.dumps(content))
    assert main(["convert", "h.json"]) == 0
    assert "grader json: it grades '{{sample.output_json.a}}', and not the reply as it is" in out.readouterr().out
    suite = suite_of(project.path / "h.metaprompt.yaml")
    assert suite["target"] == {"model": "openai:gpt-small", "temperature": 0}
    assert (project.path / "h.prompty").read_text().endswith("system:\nLabel it.\n\nuser:\n{{item.ticket}}\n")
    cases = project.run("h.metaprompt.yaml", "--metaprompt-target=echo:").report["suites"][0]["cases"]
    verdicts = [[verdict["passed"] for verdict in case["attempts"][0]["verdicts"]] for case in cases]
    assert verdicts == [[True, True, True], [False, True, False]]


PROMPTFOO = """\
description: Greetings
prompts:
  - file://greet.txt
  - 'Another {{name}}'
providers:
  - id: openai:chat:small
    config: {temperature: 0.5, apiBaseUrl: "BASE"}
  - anthropic:messages:big
defaultTest:
  vars: {greeting: Hello}
  assert: [{type: contains, value: "{{greeting}}"}]
tests:
  - vars: {name: Ann}
    assert:
      - {type: icontains, value: ANN, weight: 2}
      - {type: is-sql, value: x}
  - {description: other, vars: {name: Bob, greeting: Hi}}
  - {vars: {name: Cy}, assert: [{type: icontains, value: "{{ name | upper }}"}]}
  - {vars: {name: Di}, options: {transform: output.trim()}}
  - file://more.csv
"""
MORE = 'name,__expected,__expected2\nDi,Hello Di,"not-contains: Bob"\nEd,Hi Ed,"starts-with: Hello"\n'


def test_a_plain_config_of_promptfoo_runs_as_a_suite(project: Project, out: Out) -> None:
    project.write(c_dot_yaml=PROMPTFOO.replace("BASE", project.server.base_url), more_dot_csv=MORE)
    project.write(greet_dot_txt="{{greeting}} {{name}}\n")
    assert main(["convert", "c.yaml"]) == 0
    assert out.readouterr().out.splitlines()[2:] == [
        "  prompt 2: a suite has one routine",
        "  provider anthropic:messages:big: it is no model of a suite",
        "  test 1: is-sql: there is no assertion 'is-sql'",
        "  test 4: a case knows no 'transform'",
    ]
    suite = suite_of(project.path / "c.metaprompt.yaml")
    assert [case.get("id") for case in suite["cases"]] == [None, "other", None, None, None]
    asked = {"temperature": 0.5, "max_tokens": 1024, "base_url": project.server.base_url}
    assert suite["target"] == {"model": "openai:small", **asked}
    assert suite["defaults"] == {"assert": [{"type": "contains", "value": "{{greeting}}"}]}

    def target(body: Body) -> str:
        assert body["temperature"] == 0.5
        return str(body["messages"][-1]["content"])

    project.target = target
    assert outcomes(project, "c.metaprompt.yaml") == ["passed", "passed", "passed", "passed", "failed"]


MATRIX = """\
prompts: file://prompts.txt
providers: [echo]
defaultTest: file://default.yaml
scenarios:
  - config: [{vars: {tone: kind}}, {vars: {tone: dry}}]
    tests: [{vars: {name: Flo}, assert: [{type: icontains, value: '{{ tone | upper }} flo'}]}]
tests:
  - description: both
    vars: {name: [Ann, "{{nick}}"], nick: Bo, tone: "a {{name}} b"}
    assert: [{type: regex, value: "^(?<who>A|a B)"}, {type: levenshtein, value: "x"}]
  - {vars: file.yaml, threshold: 0.6, assert: [{type: contains, value: no}, {type: contains, value: Eve, weight: 3}]}
  - {vars: {name: list, tone: [[1, 2]]}, assert: [{type: contains, value: "1,2 list"}, {type: python, value: file://c.py}]}
  - file://more.csv
"""
MATRIX_FILES = {
    "foo/prompts.txt": "{{tone}} {{name}}{{nobody}}\n---\nanother {{name}}\n",
    "foo/default.yaml": "vars: {tone: plain}\nassert: [{type: not-contains, value: zzz}]\n",
    "foo/file.yaml": "name: Eve\n",
    "foo/c.py": "def get_assert(output, context):\n    return context['vars']['name'] == 'list'\n",
    "foo/more.csv": (
        "name,__expected,__expected2\nSay: x,Say: x,note: y\nGus,levenshtein:plain Gux,starts-with:plain\n"
        'Hal,"contains-any:Hal, Hel",levenshtein(4):plain\n'
    ),
}


def test_a_converted_config_gives_the_same_results_as_the_config_itself(project: Project, out: Out) -> None:
    project.write_bytes("foo/promptfooconfig.yaml", MATRIX.encode())
    for name, text in MATRIX_FILES.items():
        project.write_bytes(name, text.encode())
    assert main(["convert", "foo/promptfooconfig.yaml", "-o", "suites/foo.metaprompt.yaml"]) == 0
    assert out.readouterr().out.splitlines()[1:] == ["left out or changed:", "  prompt 2: a suite has one routine"]
    suite = suite_of(project.path / "suites/foo.metaprompt.yaml")
    assert "defaults" not in suite, "one test has a threshold over all of its assertions"

    def judged(after: Any) -> list[tuple[str, str, float]]:
        cases = [(case["attempts"][0], case) for case in after.report["suites"][0]["cases"]]
        return [(attempt["text"], case["outcome"], case["score"]) for attempt, case in cases]

    foreign = judged(project.run("foo/promptfooconfig.yaml"))
    assert judged(project.run("suites")) == foreign
    assert [text for text, *_ in foreign] == [
        "a Ann b Ann", "a Bo b Bo", "plain Eve", "1,2 list", "plain Say: x", "plain Gus", "plain Hal",
        "kind Flo", "dry Flo",
    ]  # fmt: skip
    assert [outcome for _, outcome, _ in foreign] == [
        "failed", "failed", "passed", "passed", "failed", "failed", "passed", "passed", "passed",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (
            "prompts: ['{% if a %}b{% endif %}']\ntests: [{}]\n",
            "the prompt is a template with more in it than {{name}}",
        ),
        ("prompts: [file://no.txt]\ntests: [{}]\n", "there is no prompt file 'no.txt'"),
        ("prompts: ['exec:./x.sh']\ntests: [{}]\n", "the prompt './x.sh' comes out of a program"),
        ("prompts: [hi]\ntests: [{assert: [{type: is-sql, value: x}]}]\n", "test 1: nothing of it can be checked"),
        (
            "prompts: [hi]\ntests: [{providerOutput: a, assert: [{type: equals, value: x}]}]\n",
            "test 1: a case knows no 'providerOutput'",
        ),
        ("prompts: [hi]\ntests: [file://t.js]\n", "there is no file of tests 't.js'"),
    ],
)
def test_a_config_that_cannot_be_a_suite_is_refused(project: Project, out: Out, config: str, problem: str) -> None:
    project.write(c_dot_yaml=config)
    assert main(["convert", "c.yaml"]) == 1
    assert problem in out.readouterr().err
    assert sorted(project.files()) == ["c.yaml"]


def test_nothing_is_overwritten_unless_forced(project: Project, out: Out) -> None:
    project.write(s_dot_jsonl=SAMPLES, s_dot_prompty="mine")
    assert main(["convert", "s.jsonl"]) == 1
    assert "s.prompty would be overwritten (name another with -o, or add --force)" in out.readouterr().err
    assert project.files()["s.prompty"] == b"mine"
    assert "s.metaprompt.yaml" not in project.files()
    assert main(["convert", "s.jsonl", "--force"]) == 0
    assert project.files()["s.prompty"] != b"mine"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["no.yaml"], "cannot read no.yaml: No such file or directory"),
        (["x.yaml"], "x.yaml: the file is of no tool that is known here (say which it is with  --from"),
        (["broken.json"], "broken.json:1: not valid JSON"),
        (["s.jsonl", "-o", "s.yaml"], "a suite is called NAME.metaprompt.yaml, not 's.yaml' (-o s.metaprompt.yaml)"),
        (["s.jsonl", "--target", "opnai:x"], "did you mean 'openai'?"),
    ],
)
def test_what_cannot_be_converted_is_told_without_a_traceback(
    project: Project, out: Out, arguments: list[str], problem: str
) -> None:
    project.write(x_dot_yaml="a: 1\n", broken_dot_json="{", s_dot_jsonl=SAMPLES)
    assert main(["convert", *arguments]) == 1
    assert problem in out.readouterr().err


def test_what_is_left_to_do_by_hand_is_told(project: Project, out: Out) -> None:
    project.write(c_dot_yaml="prompts: [hi]\ntests: [{assert: [{type: equals, value: hi}]}]\n")
    assert main(["convert", "c.yaml"]) == 1
    assert "to be put right by hand:\n  c.metaprompt.yaml:" in out.readouterr().out


@pytest.fixture
def out(capsys: Out) -> Out:
    return capsys
