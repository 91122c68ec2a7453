"""OpenAI Evals: a registry file with its samples, or a file of samples alone.

Sources: https://github.com/openai/evals, `docs/build-eval.md` for the two files, `evals/elsuite/basic/` for what the
classes ask of a reply.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_metaprompt.converting.chats import Chat, common_prefix, prompt_of, read_chat
from pytest_metaprompt.converting.drafts import Draft, Source, as_list, as_mapping, as_str
from pytest_metaprompt.errors import MetapromptError
from pytest_metaprompt.formats.records import read_json_lines
from pytest_metaprompt.suites import Json

_MODES: Mapping[str, str] = {
    "match:Match": "match",
    "includes:Includes": "includes",
    "fuzzy_match:FuzzyMatch": "fuzzy",
    "json_match:JsonMatch": "json",
}
_GRADERS: Mapping[str, str] = {"fact": "factuality", "closedqa": "model-graded-closedqa"}
_READ_ARGS = frozenset({"samples_jsonl", "few_shot_jsonl", "num_few_shot", "ignore_case", "max_tokens"})


def convert_registry(source: Source) -> Draft:
    """The suite of one eval of a registry file.

    Raises:
        MetapromptError: There is no such eval, its samples are not found, or its class cannot be told by assertions.
    """
    draft = Draft(source)
    entries = as_mapping(source.content)
    runnable = {name: as_mapping(entry) for name, entry in entries.items() if "class" in as_mapping(entry)}
    name = _chosen(draft, runnable)
    arguments = as_mapping(runnable[name].get("args"))
    draft.description = _description(entries, name)
    assertion = _assertion(draft, str(runnable[name]["class"]).rpartition(".")[2], arguments)
    for key in sorted(arguments.keys() - _READ_ARGS - {"modelgraded_spec", "modelgraded_spec_args", "eval_type"}):
        draft.leave_out(f"args.{key}", "a suite has no such setting")
    path = _find_data(draft, as_str(arguments.get("samples_jsonl")))
    return _with_samples(draft, path, assertion, _few_shot(draft, arguments))


def convert_samples(source: Source) -> Draft:
    """The suite of a file of samples, of which each reply must match an `ideal`, as the class Match has it."""
    draft = Draft(source)
    return _with_samples(draft, source.path, _match(draft, "match"), [])


def _chosen(draft: Draft, runnable: Mapping[str, Mapping[str, Json]]) -> str:
    wanted = draft.source.name
    names = [name for name in runnable if wanted is None or name == wanted or name.startswith(f"{wanted}.")]
    if not names:
        raise draft.refuse(f"there is no eval {wanted!r} in it", hint=f"known: {', '.join(runnable)}")
    for other in runnable:
        if other != names[0]:
            draft.leave_out(f"eval {other}", f"a suite is one eval: convert it with  --name {other}")
    return names[0]


def _description(entries: Mapping[str, Json], name: str) -> str | None:
    named = [as_mapping(entry) for key, entry in entries.items() if as_mapping(entry).get("id") == name or key == name]
    return next((text for entry in named if (text := as_str(entry.get("description")))), None)


def _assertion(draft: Draft, name: str, arguments: Mapping[str, Json]) -> dict[str, Json]:
    if name in _MODES:
        mode = _MODES[name]
        return _match(draft, "iincludes" if mode == "includes" and arguments.get("ignore_case") is True else mode)
    spec = as_str(arguments.get("modelgraded_spec")) or ""
    if name.startswith("classify:") and spec in _GRADERS:
        criteria = as_str(as_mapping(arguments.get("modelgraded_spec_args")).get("criteria"))
        found = draft.assertion(_GRADERS[spec], criteria or "{{ideal}}", of=f"modelgraded_spec: {spec}")
        if found:
            return found
    raise draft.refuse(f"what the class {name!r} {spec} checks cannot be told by assertions".replace("  ", " "))


def _match(draft: Draft, mode: str) -> dict[str, Json]:
    found = draft.assertion("evals-match", "{{ideal}}", of="ideal", **({} if mode == "match" else {"mode": mode}))
    return found or {}


def _find_data(draft: Draft, name: str | None) -> Path:
    if name is None:
        raise draft.refuse("the eval names no samples_jsonl")
    folder = draft.source.path.parent
    looked_at = [folder / name, folder.parent / "data" / name, folder / "data" / name, folder / Path(name).name]
    for path in looked_at:
        if path.is_file():
            return path
    raise draft.refuse(f"{name!r} is not there", hint=f"looked at {', '.join(str(path) for path in looked_at)}")


def _few_shot(draft: Draft, arguments: Mapping[str, Json]) -> Chat:
    """The examples that stand before the last message, as turns of a user and an assistant."""
    count, name = arguments.get("num_few_shot"), as_str(arguments.get("few_shot_jsonl"))
    if not isinstance(count, int) or count < 1 or name is None:
        return []
    rows = read_json_lines(_find_data(draft, name), shown=name)[:count]
    return [message for row in rows for message in read_chat(row.cells.get("sample"))]


def _with_samples(draft: Draft, path: Path, assertion: Mapping[str, Json], shots: Chat) -> Draft:
    rows = read_json_lines(path, shown=path.name)
    chats = [read_chat(row.cells.get("input")) for row in rows]
    if not all(chats):
        raise draft.refuse(f"{path.name}:{rows[chats.index([])].line} has no input")
    shared = prompt_of(chats)
    if shared:
        draft.prompt = (*shared.messages[:-1], *shots, shared.messages[-1])
        is_text = isinstance(rows[0].cells["input"], str)
        template = {"input": "{{input}}"} if is_text else dict(shared.template)
        dataset = Path(os.path.relpath(path, draft.source.folder)).as_posix()
        draft.cases = [{"dataset": dataset, **template, "assert": [dict(assertion)]}]
        return draft
    return _written_out(draft, [row.cells for row in rows], chats, assertion, shots)


def _written_out(
    draft: Draft,
    rows: Sequence[Mapping[str, Json]],
    chats: Sequence[Chat],
    assertion: Mapping[str, Json],
    shots: Chat,
) -> Draft:
    """Cases of their own for chats of different shapes, behind the messages that all of them begin with."""
    prefix = common_prefix(chats)
    if not prefix or shots:
        raise _without_routine(draft)
    draft.prompt = tuple(prefix)
    for number, (row, chat) in enumerate(zip(rows, chats, strict=True), start=1):
        rest: Json = [message.in_chat for message in chat[len(prefix) :]]
        value: Json = as_list(row.get("ideal"))
        wanted = {**assertion, "value": value} if assertion.get("value") == "{{ideal}}" else dict(assertion)
        draft.add_case({"messages": rest, "assert": [wanted]}, of=f"sample {number}")
    return draft


def _without_routine(draft: Draft) -> MetapromptError:
    return draft.refuse(
        "the samples share neither a first message nor a shape, so there is no prompt to test",
        hint="write a suite with your own routine, and name the samples in it as a dataset",
    )
