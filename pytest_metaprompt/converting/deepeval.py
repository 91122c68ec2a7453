"""DeepEval: a file of goldens or test cases, in JSON, JSON Lines or CSV.

Source: https://github.com/confident-ai/deepeval, `deepeval/dataset/golden.py` and `dataset.py`: the keys, in snake or
camel case, the `;` between contexts in a CSV, and the form of `expected_tools`. The metrics are code, and not in there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pytest_metaprompt.converting.drafts import Draft, Source, as_list, as_mapping, as_str
from pytest_metaprompt.formats.records import parse_json
from pytest_metaprompt.suites import Json, Message

_CONTEXTS = ("context", "retrieval_context")
_IGNORED: Mapping[str, str] = {
    "actual_output": "it is the recorded reply of an earlier run: here the target is asked",
    "tools_called": "they are the recorded calls of an earlier run: here the target is asked",
    "token_cost": "it is a measurement of an earlier run",
    "completion_time": "it is a measurement of an earlier run",
}
_KEPT = ("additional_metadata", "comments", "source_file", "tags", "custom_column_key_values")
_READ = frozenset({"input", "expected_output", "expected_tools", "name", *_CONTEXTS, *_IGNORED})


def convert_deepeval(source: Source) -> Draft:
    """The suite of goldens: each input with its expected output and expected tools.

    Raises:
        MetapromptError: None of them expects something.
    """
    draft = Draft(source, prompt=(Message("user", "{{input}}"),))
    draft.description = f"Goldens of {source.path.name}"
    for number, row in enumerate(as_list(source.content), start=1):
        golden = {_snake(key): value for key, value in as_mapping(row).items()}
        _add(draft, golden, of=f"golden {number}")
    if not draft.cases:
        raise draft.refuse("no golden expects an output or a tool")
    draft.leave_out("metrics", "they are in Python code: write them as assertions, such as llm-rubric or g-eval")
    return draft


def _add(draft: Draft, golden: Mapping[str, Json], *, of: str) -> None:
    for key in golden.keys() & _IGNORED.keys():
        if golden[key]:
            draft.leave_out(key, _IGNORED[key])
    for key in sorted(golden.keys() - _READ - {*_KEPT}):
        draft.leave_out(key, "a suite has no such key")
    for key in sorted(golden.keys() & {*_KEPT}):
        if golden[key]:
            draft.leave_out(key, "nothing is asked or checked with it")
    case = {
        "vars": {key: _context(golden[key]) for key in _CONTEXTS if golden.get(key)},
        "input": as_str(golden.get("input")),
        "expect": as_str(golden.get("expected_output")) or None,
        "assert": [found for tool in _tools(golden.get("expected_tools")) if (found := _tool(draft, tool, of))],
    }
    if name := as_str(golden.get("name")):
        case = {"id": name, **case}
    if case["input"] is None:
        draft.leave_out(of, "it has no input")
    else:
        draft.add_case({key: value for key, value in case.items() if value is not None}, of=of)


def _tools(value: Json) -> list[Json]:
    if isinstance(value, str):
        return as_list(parse_json(value, shown="expected_tools")) if value.strip() else []
    return as_list(value)


def _tool(draft: Draft, tool: Json, of: str) -> dict[str, Json] | None:
    named = as_mapping(tool)
    name = as_str(named.get("name")) or as_str(tool)
    arguments = named.get("input_parameters") or named.get("inputParameters")
    wanted = {"name": name, "arguments": arguments} if arguments else {"name": name}
    return draft.assertion("tool-call", wanted, of=f"{of}: the tool {name}")


def _context(value: Json) -> Json:
    return value.split(";") if isinstance(value, str) else value


def _snake(key: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", lambda match: f"_{match[1].lower()}", key)
