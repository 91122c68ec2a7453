"""A draft as files: the suite in readable YAML, and its routine beside it."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from pytest_metaprompt.converting.drafts import Draft
from pytest_metaprompt.errors import RoutineError
from pytest_metaprompt.formats.scalars import resolve
from pytest_metaprompt.routines import parse_routine
from pytest_metaprompt.suites import Json, Message

_ROLES: Mapping[str, str] = {"developer": "system"}
_UNSAFE = "\x85\u2028\u2029\r\t"
_WIDTH = 110


def suite_text(draft: Draft, *, routine: str) -> str:
    """The suite's YAML, its keys in the order in which people read them."""
    defaults: dict[str, Json] = {"vars": dict(draft.vars), "assert": draft.asserts}
    suite: dict[str, Json] = {
        "description": draft.description,
        "routine": routine,
        "target": draft.target,
        "judge": draft.judge,
        "defaults": {key: value for key, value in defaults.items() if value} or None,
        "cases": draft.cases,
    }
    return dump({key: value for key, value in suite.items() if value is not None})


def routine_text(prompt: tuple[Message, ...], *, name: str) -> str:
    """The messages as a `.prompty` file.

    Raises:
        RoutineError: A message holds what would open another one, or what such a file cannot have.
    """
    parts = [f"{_ROLES.get(message.role, message.role)}:\n{message.content.strip()}\n" for message in prompt]
    text = dump({"name": name}).join(["---\n", "---\n"]) + "\n".join(parts)
    read = parse_routine(text, name=f"{name}.prompty", form="chat").parts
    if [part.text for part in read] != [message.content.strip() for message in prompt]:
        raise RoutineError("a message of the prompt holds a line such as 'user:' alone, which would open another one")
    return text


def dump(value: Json) -> str:
    """A value as YAML that YAML 1.2 and 1.1 read alike: texts of several lines as blocks, keys in their order."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)


class _Dumper(yaml.SafeDumper):
    """Writes no anchors, and lists inside mappings with an indent."""

    def ignore_aliases(self, data: object) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _write_str(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=_style(text))


def _style(text: str) -> str | None:
    if any(character in text for character in _UNSAFE):
        return '"'
    if "\n" in text.strip("\n"):
        return "|"
    try:
        # PyYAML knows YAML 1.1 only, to which 1e5 is a text.
        return None if isinstance(resolve(text), str) else "'"
    except ValueError:
        return "'"


_Dumper.add_representer(str, _write_str)
