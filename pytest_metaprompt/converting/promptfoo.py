"""promptfoo: the plain part of a `promptfooconfig.yaml`; what a suite cannot say is left out by name.

Source: https://www.promptfoo.dev/docs/configuration/reference/. The whole of it, with several prompts and providers,
templates and JavaScript, is for the config itself to be run, not for a suite made of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from pytest_metaprompt.converting.drafts import Draft, Source, as_list, as_mapping, as_str
from pytest_metaprompt.files import FILE_PREFIX, read_text
from pytest_metaprompt.formats.marked import read_marked
from pytest_metaprompt.formats.tables import CsvForm, read_rows
from pytest_metaprompt.suites import Json, Message

_READ = frozenset({"description", "prompts", "providers", "targets", "tests", "defaultTest"})
_TEST = frozenset({"description", "vars", "assert"})
_CONFIG: Mapping[str, str] = {"apiBaseUrl": "base_url", "apiKeyEnvar": "api_key_env"}
_MORE_THAN_A_NAME = re.compile(r"\{%|\{#|\{\{(?!\s*[A-Za-z_][\w-]*(?:\.[\w-]+)*\s*\}\})")
_SHORT = re.compile(r"(?P<type>[a-z-]+)(?:\((?P<threshold>[\d.]+)\))?(?::\s*(?P<value>.*))?", re.DOTALL)
_TABLE_COLUMNS = re.compile(r"__(expected\d*|description)")


def convert_promptfoo(source: Source) -> Draft:
    """The suite of the first prompt and the first provider that a suite can have.

    Raises:
        MetapromptError: There is no such prompt, or no test of which something can be checked.
    """
    draft, config = Draft(source), as_mapping(source.content)
    draft.description = as_str(config.get("description"))
    for key in sorted(config.keys() - _READ):
        draft.leave_out(key, "a suite has no such setting")
    draft.prompt = _prompt(draft, as_list(config.get("prompts")))
    draft.target = _target(draft, as_list(config.get("providers") or config.get("targets")))
    default = as_mapping(config.get("defaultTest"))
    _leave_out_more(draft, default, "defaultTest")
    draft.vars = _vars(draft, default.get("vars"), "defaultTest")
    draft.asserts = _asserts(draft, default.get("assert"), "defaultTest")
    for number, test in enumerate(_tests(draft, config.get("tests")), start=1):
        _add(draft, test, of=f"test {number}")
    if not draft.cases:
        raise draft.refuse("there is no test of which something can be checked")
    return draft


def _prompt(draft: Draft, prompts: list[Json]) -> tuple[Message, ...]:
    if not prompts:
        raise draft.refuse("the config has no prompt")
    for number in range(2, len(prompts) + 1):
        draft.leave_out(f"prompt {number}", "a suite has one routine")
    first = prompts[0] if isinstance(prompts[0], str) else as_mapping(prompts[0]).get("raw")
    text = as_str(first) or as_str(as_mapping(prompts[0]).get("id")) or ""
    path = _path(draft, text)
    if path:
        text = read_text(path).text
    messages = _messages(text) or (Message("user", text.strip()),)
    if any(_MORE_THAN_A_NAME.search(message.content) for message in messages):
        raise draft.refuse("the prompt is a template with more in it than {{name}}")
    return messages


def _path(draft: Draft, text: str) -> Path | None:
    is_named = text.startswith(FILE_PREFIX)
    path = draft.source.path.parent / text.removeprefix(FILE_PREFIX)
    if is_named and not path.is_file():
        raise draft.refuse(f"the file {text!r} is not there")
    looks_named = "\n" not in text and len(text) < 200 and path.suffix in (".txt", ".md", ".json", ".yaml", ".yml")
    return path if is_named or (looks_named and path.is_file()) else None


def _messages(text: str) -> tuple[Message, ...]:
    """The chat that a prompt is, if it is one in JSON or YAML."""
    is_yaml = text.lstrip().startswith("- role:")
    try:
        chat = read_marked(text, "prompt").root.plain() if is_yaml else json.loads(text)
    except ValueError:
        return ()
    found = [as_mapping(item) for item in as_list(chat)] if isinstance(chat, list) else []
    return tuple(Message(str(item.get("role")), str(item.get("content"))) for item in found)


def _target(draft: Draft, providers: list[Json]) -> Json:
    found: Json = None
    for provider in providers:
        target = _model(draft, provider)
        if target is None or found is not None:
            name = provider if isinstance(provider, str) else as_mapping(provider).get("id") or provider
            draft.leave_out(f"provider {name}", "a suite has one target" if target else "it is no model of a suite")
        found = target if found is None else found
    return found


def _model(draft: Draft, provider: Json) -> Json:
    written = as_mapping(provider)
    name = as_str(provider) or as_str(written.get("id"))
    config = as_mapping(written.get("config"))
    if name is None and len(written) == 1:
        (name,), (inner,) = written.keys(), written.values()
        config = as_mapping(as_mapping(inner).get("config"))
    if name == "echo":
        return "echo:"
    parts = (name or "").split(":")
    if parts[0] != "openai" or len(parts) < 2 or (len(parts) > 2 and parts[1] not in ("chat", "responses")):
        return None
    provider_name = "openai-responses" if parts[1] == "responses" else "openai"
    model = f"{provider_name}:{parts[-1] if len(parts) == 2 else ':'.join(parts[2:])}"
    if "apiKey" in config:
        draft.leave_out("apiKey", "a key does not belong into a suite: put it into an environment variable")
    settings = {_CONFIG.get(key, key): value for key, value in config.items() if key != "apiKey"}
    if isinstance(tools := settings.get("tools"), str):
        settings["tools"] = tools.removeprefix(FILE_PREFIX)
    return {"model": model, **settings} if settings else model


def _tests(draft: Draft, tests: Json) -> list[Mapping[str, Json]]:
    found: list[Mapping[str, Json]] = []
    for test in as_list(tests):
        if isinstance(test, str):
            found.extend(_from_file(draft, test))
        else:
            found.append(as_mapping(test))
    return found


def _from_file(draft: Draft, name: str) -> list[Mapping[str, Json]]:
    path = draft.source.path.parent / name.removeprefix(FILE_PREFIX)
    if path.suffix == ".csv" and path.is_file():
        rows = read_rows(path, CsvForm(), shown=path.name)
        return [_from_row(draft, {key: str(value) for key, value in row.cells.items()}) for row in rows]
    if path.suffix in (".yaml", ".yml", ".json") and path.is_file():
        return [as_mapping(item) for item in as_list(read_marked(read_text(path).text, path.name).root.plain())]
    draft.leave_out(f"tests {name}", "only .csv, .yaml and .json files beside the config are read")
    return []


def _from_row(draft: Draft, row: Mapping[str, str]) -> Mapping[str, Json]:
    wanted: list[Json] = [
        _short(value) for key, value in row.items() if re.fullmatch(r"__expected\d*", key) and value.strip()
    ]
    for key in row:
        if key.startswith("__") and not _TABLE_COLUMNS.fullmatch(key):
            draft.leave_out(f"column {key}", "a suite has no such setting")
    values = {key: value for key, value in row.items() if not key.startswith("__")}
    return {"vars": values, "assert": wanted, "description": row.get("__description")}


def _short(text: str) -> dict[str, Json]:
    """`__expected` of a table: `type: value`, `type(threshold): value`, or the whole right reply."""
    short = _SHORT.fullmatch(text.strip())
    if short is None or (short["value"] is None and short["threshold"] is None and "-" not in short["type"]):
        return {"type": "equals", "value": text}
    kind = {"fn": "javascript", "eval": "javascript", "grade": "llm-rubric"}.get(short["type"], short["type"])
    found: dict[str, Json] = {"type": kind}
    if short["value"]:
        is_list = kind.removeprefix("not-").endswith(("-any", "-all"))
        value = short["value"]
        found["value"] = [part.strip() for part in value.split(",")] if is_list else value
    if short["threshold"]:
        found["threshold"] = float(short["threshold"])
    return found


def _add(draft: Draft, test: Mapping[str, Json], *, of: str) -> None:
    # Without such a key, a threshold or a recorded output, the test would ask for something else.
    if telling := sorted(test.keys() - _TEST - {"metadata"}):
        draft.leave_out(of, f"a case knows no {', '.join(map(repr, telling))}")
        return
    values = _vars(draft, test.get("vars"), of)
    asserts: Json = _asserts(draft, test.get("assert"), of)
    if any(isinstance(value, list) and value and isinstance(value[0], str) for value in values.values()):
        draft.leave_out(of, "it stands for several tests, one for each item of a list in its vars")
        return
    draft.add_case({"id": _id(draft, test, of), "vars": values, "assert": asserts}, of=of)


def _id(draft: Draft, test: Mapping[str, Json], of: str) -> str | None:
    """The description, where it can be a name: it is on one line, and no other test has it."""
    name = as_str(test.get("description"))
    if name is None or not name.strip():
        return None
    taken = any(as_mapping(case).get("id") == name for case in draft.cases)
    if taken or not name.isprintable() or "::" in name or name != name.strip() or _MORE_THAN_A_NAME.search(name):
        draft.leave_out(f"{of}: description", "it cannot be the name of a case, or another case has it")
        return None
    return name


def _vars(draft: Draft, written: Json, of: str) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for key, value in as_mapping(written).items():
        if isinstance(value, str) and value.startswith(FILE_PREFIX):
            path = draft.source.path.parent / value.removeprefix(FILE_PREFIX)
            if path.suffix not in (".txt", ".md") or not path.is_file():
                raise draft.refuse(f"{of}: the file {value!r} of the var {key!r} cannot be put into a suite")
            value = read_text(path).text.strip("\n")
        found[key] = value
    return found


def _asserts(draft: Draft, written: Json, of: str) -> list[Json]:
    found: list[Json] = []
    for item in as_list(written):
        if _MORE_THAN_A_NAME.search(json.dumps(item)):
            draft.leave_out(f"{of}: {as_mapping(item).get('type')}", "it is a template with more in it than {{name}}")
        elif copied := draft.copied_assertion(as_mapping(item), of=of):
            found.append(copied)
    return found


def _leave_out_more(draft: Draft, test: Mapping[str, Json], of: str) -> None:
    for key in sorted(test.keys() - _TEST):
        draft.leave_out(f"{of}: {key}", "a case has no such key")
