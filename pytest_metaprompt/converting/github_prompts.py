"""GitHub's `.prompt.yml`: messages, testData and evaluators.

Sources: https://docs.github.com/en/github-models/use-github-models/storing-prompts-in-github-repositories for the
form, https://github.com/github/gh-models `cmd/eval/eval.go` for what the evaluators do: `contains`, `startsWith` and
`endsWith` take upper and lower case for the same, and the reply is stripped of outer white space.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pytest_metaprompt.converting.drafts import Draft, Source, as_list, as_mapping, as_str
from pytest_metaprompt.formats.github import PARAMETERS
from pytest_metaprompt.formats.github_judges import rubric_of
from pytest_metaprompt.formats.records import parse_json
from pytest_metaprompt.suites import Json, Message

_KNOWN = frozenset({"name", "description", "model", "messages", "testData", "evaluators", "modelParameters"})
_FORMATS = frozenset({"responseFormat", "jsonSchema"})


def convert_github_prompt(source: Source) -> Draft:
    """The suite of a prompt file with test data.

    Raises:
        MetapromptError: It has no messages, no test data, or nothing that can be checked.
    """
    draft, file = Draft(source), as_mapping(source.content)
    draft.prompt = tuple(_message(draft, as_mapping(item)) for item in as_list(file.get("messages")))
    if not draft.prompt:
        raise draft.refuse("the file has no messages")
    draft.description = as_str(file.get("description")) or as_str(file.get("name"))
    draft.target = _target(draft, file)
    for key in sorted(file.keys() - _KNOWN - _FORMATS):
        draft.leave_out(key, "a suite has no such setting")
    for evaluator in as_list(file.get("evaluators")):
        if found := _assertion(draft, as_mapping(evaluator)):
            draft.asserts.append(found)
    for number, row in enumerate(as_list(file.get("testData")), start=1):
        draft.add_case({"vars": dict(as_mapping(row))}, of=f"testData {number}")
    if not draft.cases:
        raise draft.refuse("the file has no test data of which something can be checked")
    return draft


def _message(draft: Draft, item: Mapping[str, Json]) -> Message:
    role, content = str(item.get("role")).lower(), as_str(item.get("content"))
    if role not in ("system", "user", "assistant") or content is None:
        raise draft.refuse(f"a message of the role {role!r} cannot be part of a routine")
    return Message(role, content)


def _target(draft: Draft, file: Mapping[str, Json]) -> Json:
    model = as_str(file.get("model"))
    if model is None:
        return None
    target: dict[str, Json] = {"model": f"github:{model}"}
    for key, value in as_mapping(file.get("modelParameters")).items():
        if key in PARAMETERS:
            target[PARAMETERS[key]] = value
        else:
            draft.leave_out(f"modelParameters.{key}", "it is no parameter of GitHub Models")
    form = as_str(file.get("responseFormat"))
    if form == "json_schema":
        target["response_format"] = {
            "type": form,
            "json_schema": parse_json(str(file.get("jsonSchema")), shown="jsonSchema"),
        }
    elif form == "json_object":
        target["response_format"] = {"type": form}
    return target


def _assertion(draft: Draft, evaluator: Mapping[str, Json]) -> dict[str, Json] | None:
    name = as_str(evaluator.get("name")) or "without a name"
    of = f"evaluator {name}"
    if "string" in evaluator:
        return _string(draft, as_mapping(evaluator["string"]), of=of, metric=name)
    if rubric := rubric_of(evaluator):
        return draft.rubric(rubric.text, of=of, judge=rubric.judge, instead_of=rubric.instead_of, metric=name)
    draft.leave_out(of, f"there is no evaluator {evaluator.get('uses')!r}")
    return None


def _string(draft: Draft, wanted: Mapping[str, Json], *, of: str, metric: str) -> dict[str, Json] | None:
    # The first of these that is given counts, as there.
    for key in ("equals", "contains", "startsWith", "endsWith"):
        text = as_str(wanted.get(key))
        if not text:
            continue
        if key in ("equals", "contains"):
            return draft.assertion("icontains" if key == "contains" else key, text, of=of, metric=metric)
        return _edge(draft, text, at_start=key == "startsWith", of=of, metric=metric)
    draft.leave_out(of, "it asks for nothing")
    return None


def _edge(draft: Draft, text: str, *, at_start: bool, of: str, metric: str) -> dict[str, Json] | None:
    if "{{" not in text:
        pattern = rf"\A\s*{re.escape(text)}" if at_start else rf"{re.escape(text)}\s*\Z"
        return draft.assertion("regex", f"(?i){pattern}", of=of, metric=metric)
    side = "starts" if at_start else "ends"
    name = re.fullmatch(r"\{\{\s*([\w-]+)\s*\}\}", text)
    if name is None:
        draft.leave_out(of, f"a suite cannot ask whether a reply {side} with {text!r}, whatever the case")
        return None
    method = f"output.strip().lower().{side[:-1]}swith(str(context['vars'][{name[1]!r}]).lower())"
    return draft.assertion("python", method, of=of, metric=metric)
