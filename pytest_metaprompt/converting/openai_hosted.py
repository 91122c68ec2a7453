"""OpenAI's hosted evals: what its API gives of an eval, with a run of it.

Source: the types of the `openai` package, `types/eval_create_response.py`, `types/graders/` and
`types/evals/create_eval_completions_run_data_source.py`. The file holds an eval (`testing_criteria`) and a run
(`data_source`), as one object, in a list, or under keys of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pytest_metaprompt.converting.chats import ROLES
from pytest_metaprompt.converting.drafts import Draft, Source, as_list, as_mapping, as_str
from pytest_metaprompt.suites import Json, Message

_OUTPUT = re.compile(r"\{\{\s*sample\.output_text\s*\}\}")
_OPERATIONS: Mapping[str, str] = {"eq": "equals", "ne": "not-equals", "like": "contains", "ilike": "icontains"}
_SIMILARITIES: Mapping[str, str] = {"bleu": "bleu", "gleu": "gleu", "meteor": "meteor", "cosine": "similar"}


def convert_hosted(source: Source) -> Draft:
    """The suite of an eval: its items as cases, its graders as assertions, the run's template as the routine.

    Raises:
        MetapromptError: It has no items, no template, or no grader that can be told by an assertion.
    """
    draft = Draft(source)
    parts = list(_objects(source.content, depth=3))
    evaluation = next((part for part in parts if "testing_criteria" in part), {})
    data = next((as_mapping(part["data_source"]) for part in parts if "data_source" in part), {})
    draft.description = as_str(evaluation.get("name"))
    draft.prompt = _prompt(draft, as_mapping(data.get("input_messages")))
    draft.target = _target(data)
    for grader in as_list(evaluation.get("testing_criteria")):
        if found := _assertion(draft, as_mapping(grader)):
            draft.asserts.append(found)
    items = [as_mapping(row).get("item") for row in as_list(as_mapping(data.get("source")).get("content"))]
    for number, item in enumerate(items or _items(parts), start=1):
        draft.add_case({"vars": {"item": dict(as_mapping(item))}}, of=f"item {number}")
    if not draft.cases:
        hint = "save the run with its data: data_source.source.content, or the items of its output"
        raise draft.refuse("the file holds no item of which something can be checked", hint=hint)
    return draft


def _objects(value: Json, *, depth: int) -> Iterator[Mapping[str, Json]]:
    if isinstance(value, Mapping):
        yield value
    if depth:
        children = list(value.values()) if isinstance(value, Mapping) else as_list(value)
        for child in children:
            if isinstance(child, Mapping | list):
                yield from _objects(child, depth=depth - 1)


def _items(parts: list[Mapping[str, Json]]) -> list[Json]:
    """The items of a run's output, where its data is not there."""
    return [part["datasource_item"] for part in parts if "datasource_item" in part]


def _prompt(draft: Draft, template: Mapping[str, Json]) -> tuple[Message, ...]:
    messages = [as_mapping(item) for item in as_list(template.get("template"))]
    prompt = [Message(ROLES.get(str(item.get("role")), ""), _content(item.get("content")) or "") for item in messages]
    if not prompt or not all(message.role and message.content for message in prompt):
        hint = "the run's data_source.input_messages must be a template of texts"
        raise draft.refuse("the file holds no messages that a routine could be made of", hint=hint)
    return tuple(prompt)


def _content(value: Json) -> str | None:
    return as_str(value) or as_str(as_mapping(value).get("text"))


def _target(data: Mapping[str, Json]) -> Json:
    model = as_str(data.get("model"))
    parameters = {key: value for key, value in as_mapping(data.get("sampling_params")).items() if value is not None}
    return {"model": f"openai:{model}", **parameters} if model else None


def _assertion(draft: Draft, grader: Mapping[str, Json]) -> dict[str, Json] | None:
    kind, name = as_str(grader.get("type")), as_str(grader.get("name")) or "without a name"
    of = f"grader {name}"
    if kind == "string_check" and _grades_output(draft, grader, of):
        operation = str(grader.get("operation"))
        return draft.assertion(_OPERATIONS.get(operation, operation), grader.get("reference"), of=of, metric=name)
    if kind == "text_similarity" and _grades_output(draft, grader, of):
        return _similarity(draft, grader, of=of, metric=name)
    if kind in ("label_model", "score_model"):
        return _judged(draft, grader, of=of, metric=name)
    if kind == "python":
        return draft.assertion(
            "python", _python(str(grader.get("source"))), of=of, threshold=grader.get("pass_threshold"), metric=name
        )
    if kind not in ("string_check", "text_similarity"):
        draft.leave_out(of, f"there is no assertion for graders of the type {kind!r}")
    return None


def _grades_output(draft: Draft, grader: Mapping[str, Json], of: str) -> bool:
    if _OUTPUT.fullmatch(str(grader.get("input")).strip()):
        return True
    draft.leave_out(of, f"it grades {grader.get('input')!r}, and not the reply as it is")
    return False


def _similarity(draft: Draft, grader: Mapping[str, Json], *, of: str, metric: str) -> dict[str, Json] | None:
    measure = str(grader.get("evaluation_metric"))
    if measure not in _SIMILARITIES:
        draft.leave_out(of, f"there is no assertion for {measure}")
        return None
    more = {"threshold": grader.get("pass_threshold"), "metric": metric}
    return draft.assertion(_SIMILARITIES[measure], grader.get("reference"), of=of, **more)


def _judged(draft: Draft, grader: Mapping[str, Json], *, of: str, metric: str) -> dict[str, Json] | None:
    texts = [_content(as_mapping(item).get("content")) or "" for item in as_list(grader.get("input"))]
    rubric = _OUTPUT.sub("(the reply)", "\n\n".join(text.strip() for text in texts if text.strip()))
    if labels := [str(label) for label in as_list(grader.get("passing_labels"))]:
        rubric += f"\n\nPass if the label would be: {', '.join(labels)}."
    model = as_str(grader.get("model"))
    return draft.rubric(
        rubric, of=of, judge=f"openai:{model}" if model else None, instead_of="its labels or scores", metric=metric
    )


def _python(source: str) -> str:
    """The body of a function around a grader's `grade(sample, item)`."""
    return f"{source.strip()}\nreturn grade({{'output_text': output}}, context['vars']['item'])\n"
