from __future__ import annotations

import pytest

from pytest_metaprompt.suites import ModelSpec

from .folder import CASE, HEAD, Folder


def test_a_model_is_a_text_or_a_mapping_with_parameters(folder: Folder) -> None:
    suite = folder.suite(
        "target: echo:x\n"
        "meta: {model: 'openai:big', base_url: 'http://here', api_key_env: KEY, seed: 1, stop: null, extra: {a: [b]}}\n"
        "judge: {model: 'echo:j', tools: [{type: function}]}\n" + HEAD + CASE
    )
    assert suite.target == ModelSpec("echo", "x")
    params = {"seed": 1, "stop": None, "extra": {"a": ["b"]}}
    assert suite.meta == ModelSpec("openai", "big", params, base_url="http://here", api_key_env="KEY")
    assert suite.judge == ModelSpec("echo", "j", {"tools": [{"type": "function"}]})


@pytest.mark.parametrize(
    ("name", "content"),
    [("t.json", '[\t{"type": "function"}]'), ("t.yaml", "- type: function"), ("t.yml", "- {type: function}")],
)
def test_tools_may_be_in_a_file_beside_the_suite(folder: Folder, name: str, content: str) -> None:
    suite = folder.put(f"tools/{name}", content).suite(
        f"target: {{model: 'echo:x', tools: tools/{name}}}\n{HEAD}{CASE}"
    )
    assert suite.target == ModelSpec("echo", "x", {"tools": [{"type": "function"}]})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("target: gpt", "1: unknown model 'gpt' (write provider:name)"),
        ("target:\n  model: gpt", "1: unknown model 'gpt' (write provider:name)"),
        (
            "target:\n  model: a:b\n  tools: tols.json",
            "3: the tools file 'tols.json' does not exist (did you mean 'tools.json'?)",
        ),
        ("target:\n  model: a:b\n  tools: r.md", "3: the tools file 'r.md' must end in .json, .yaml or .yml"),
        ("target: {model: 'a:b', tools: tools.json}", "tools.json:2: not valid JSON: Expecting value at column 1"),
        ("target: {model: 'a:b', tools: map.json}", "map.json: the tools must be a list of mappings"),
        ("target: {model: 'a:b', tools: texts.yaml}", "texts.yaml: the tools must be a list of mappings"),
        (
            "target: {model: 'a:b', tools: twice.yaml}",
            "twice.yaml:2: the key 'a' is given twice, first on line 1",
        ),
    ],
)
def test_a_model_that_cannot_be_read_is_told(folder: Folder, text: str, problem: str) -> None:
    folder.put("tools.json", "[\n").put("map.json", "{}").put("texts.yaml", "[a]").put("twice.yaml", "- a: 1\n  a: 2\n")
    assert folder.problems(f"{text}\n{HEAD}{CASE}") == [problem]
