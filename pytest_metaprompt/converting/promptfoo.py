"""promptfoo: what of a config a suite can say, read as the config itself is when it runs; the rest is named.

A suite has one routine and one target: the first prompt and the first provider that it can have. Every test of theirs
becomes the cases that it stands for, with its vars as the prompt sees them.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from pytest_metaprompt.columns.rendering import rendered_vars
from pytest_metaprompt.columns.variables import load_variables, resolve_variables
from pytest_metaprompt.converting.drafts import Draft, Source
from pytest_metaprompt.converting.promptfoo_checks import Checks
from pytest_metaprompt.converting.promptfoo_models import first_target
from pytest_metaprompt.errors import MetapromptError
from pytest_metaprompt.files import FILE_PREFIX
from pytest_metaprompt.formats.marked import read_marked
from pytest_metaprompt.formats.promptfoo.cases import ColumnCase, read_cases
from pytest_metaprompt.formats.promptfoo.document import Fields, env_texts, read_document
from pytest_metaprompt.formats.promptfoo.files import Folder
from pytest_metaprompt.formats.promptfoo.prompts import Prompt, read_prompts
from pytest_metaprompt.formats.promptfoo.providers import Provider
from pytest_metaprompt.js_values import js_value
from pytest_metaprompt.nunjucks import render_nunjucks
from pytest_metaprompt.routines import open_routine
from pytest_metaprompt.suites import ColumnTest, Json, Message
from pytest_metaprompt.templates import as_text, placeholder_names

_READ = frozenset(
    {"description", "prompts", "providers", "targets", "tests", "scenarios", "defaultTest", "env", "assertionTemplates"}
)
_MORE_THAN_A_NAME = re.compile(r"\{%|\{#|\{\{(?!\s*[A-Za-z_][\w-]*(?:\.[\w-]+)*\s*\}\})")
_UNNAMED = re.compile(r"(?:test-[0-9a-f]{8}|row-\d+)(?:-\d+)?")
_TEXT_FILES = (".txt", ".md", ".json", ".yaml", ".yml")


def convert_promptfoo(source: Source) -> Draft:
    """The suite of the first prompt and the first provider that a suite can have.

    Raises:
        MetapromptError: The config cannot be read, there is no such prompt, or no test of which something can be
            checked.
    """
    draft, path = Draft(source), source.path.absolute()
    top, folder = read_document(path, root=path.parent), Folder(path, path.parent)
    draft.description = top.text("description")
    for key in sorted(top.entries.keys() - _READ):
        draft.leave_out(key, "a suite has no such setting")
    prompt = _first(draft, read_prompts(top, folder))
    draft.prompt = _messages(draft, prompt, folder)
    provider = first_target(draft, top, folder, config=prompt.config)
    cases = read_cases(top, folder, env_texts(top.entries.get("env")))
    edges = _put_around(draft, prompt, cases)
    reader = _Reader(draft, folder, prompt, provider, Checks(draft, folder, provider), edges)
    for one in cases:
        reader.add(one)
    if not draft.cases:
        raise draft.refuse(
            "there is no test of which something can be checked", hint=f"run it as it is: pytest {path.name}"
        )
    _share(draft, top)
    return draft


def _first(draft: Draft, prompts: Sequence[Prompt]) -> Prompt:
    if not prompts:
        raise draft.refuse("the config has no prompt")
    for number in range(2, len(prompts) + 1):
        draft.leave_out(f"prompt {number}", "a suite has one routine")
    return prompts[0]


def _messages(draft: Draft, prompt: Prompt, folder: Folder) -> tuple[Message, ...]:
    if prompt.function is not None or prompt.command is not None:
        raise draft.refuse(f"the prompt {prompt.short!r} comes out of a program")
    routine = open_routine(prompt.routine, root=folder.root)
    messages = tuple(Message(part.role, part.text) for part in routine.parts)
    if routine.form == "user" and routine.text.lstrip().startswith("- role:"):
        messages = _from_yaml(draft, routine.text)
    elif routine.form == "user" and _is_json_list(routine.text):
        raise draft.refuse("the prompt is a chat in JSON with more in it than roles and texts")
    if any(_MORE_THAN_A_NAME.search(message.content) for message in messages):
        raise draft.refuse("the prompt is a template with more in it than {{name}}")
    return messages


def _is_json_list(text: str) -> bool:
    try:
        return isinstance(json.loads(text), list)
    except (ValueError, RecursionError):
        return False


def _from_yaml(draft: Draft, text: str) -> tuple[Message, ...]:
    chat = read_marked(text, "the prompt").root.plain()
    found = [one for one in chat if isinstance(one, Mapping)] if isinstance(chat, list) else []
    messages = tuple(
        Message(str(one.get("role")), content) for one in found if isinstance(content := one.get("content"), str)
    )
    if not messages or len(messages) < len(found):
        raise draft.refuse("the prompt is a chat in YAML with more in it than roles and texts")
    return messages


def _put_around(draft: Draft, prompt: Prompt, cases: Sequence[ColumnCase]) -> tuple[str, str]:
    """The prefix and suffix that most tests have, which become a part of the prompt; a chat has none."""
    tests = [one.case.column_test or ColumnTest() for one in cases]
    edges = Counter((test.prefix, test.suffix) for test in tests).most_common(1)
    prefix, suffix = edges[0][0] if edges else ("", "")
    if prompt.routine.form != "user" or len(draft.prompt) != 1 or _MORE_THAN_A_NAME.search(prefix + suffix):
        return "", ""
    message = draft.prompt[0]
    draft.prompt = (Message(message.role, f"{prefix}{message.content}{suffix}"),)
    return prefix, suffix


class _Reader:
    """Turns the tests of a config into cases. `edges` are the prefix and the suffix that the prompt has by now."""

    def __init__(
        self,
        draft: Draft,
        folder: Folder,
        prompt: Prompt,
        provider: Provider | None,
        checks: Checks,
        edges: tuple[str, str],
    ) -> None:
        self._edges = edges
        self._draft = draft
        self._folder = folder
        self._prompt = prompt
        self._provider = provider
        self._checks = checks
        self._names = {name for message in draft.prompt for name in placeholder_names(message.content)}
        self._text = "\n".join(message.content for message in draft.prompt)
        self._seen: list[Mapping[str, Json]] = []

    def add(self, one: ColumnCase) -> None:
        """Adds a case, or notes why it is left out."""
        of = f"test {one.origin + 1}"
        if reason := self._beyond(one):
            self._draft.leave_out(of, reason)
            return
        try:
            values = self._values(one.case.vars)
        except MetapromptError as error:
            self._draft.leave_out(of, error.message)
            return
        asserts: list[Json] = [
            found for check in one.case.assertions if (found := self._checks.read(check, values, of))
        ]
        if one.case.threshold is not None and asserts:
            asserts = [found for found in [self._checks.together(asserts, one.case.threshold, of)] if found]
        unnamed = _UNNAMED.fullmatch(one.case.id) and values not in self._seen
        self._seen.append(values)
        self._draft.add_case({"id": None if unnamed else one.case.id, "vars": values, "assert": asserts}, of=of)

    def _beyond(self, one: ColumnCase) -> str | None:
        """Why a suite has no such case."""
        if one.prompts is not None and not any(self._prompt.matches(name) for name in one.prompts):
            return "it is for another prompt"
        provider = self._provider
        if one.providers is not None and provider is not None and not any(map(provider.matches, one.providers)):
            return "it is for another provider"
        test = one.case.column_test or ColumnTest()
        telling = sorted(_telling(test))
        telling += ["prefix or suffix"] if (test.prefix, test.suffix) != self._edges else []
        # Without such a key the test would ask for something else.
        return f"a case knows no {', '.join(map(repr, telling))}" if telling else None

    def _values(self, given: Mapping[str, Json]) -> dict[str, Json]:
        """The vars as the prompt sees them."""
        for name, value in given.items():
            if isinstance(value, str) and value.startswith(FILE_PREFIX) and not value.endswith(_TEXT_FILES):
                raise MetapromptError(f"its var {name!r} comes from {value!r}")
        values = {name: js_value(value) for name, value in given.items()}
        values = resolve_variables(load_variables(values, folder=self._folder.path, prompt=self._text))
        is_chat = self._prompt.routine.form in ("messages-json", "messages-yaml")
        values = dict(values) if is_chat else rendered_vars(values)
        for name in self._names - {"env"}:
            if "." not in name:
                values[name] = _printed(values.get(name, ""))
        return values


def _printed(value: Json) -> Json:
    """A value that a suite puts into the prompt as promptfoo does: what is printed there, where the two differ."""
    printed = render_nunjucks("{{ it }}", {"it": value})
    return value if as_text(value) == printed else printed


def _telling(test: ColumnTest) -> Iterator[str]:
    told = {
        "transform": test.transform,
        "transformVars": test.transform_vars,
        "storeOutputAs": test.store_as,
        "providerOutput": test.output,
        "provider": test.target,
        "assertScoringFunction": test.scoring,
    }
    yield from (name for name, value in told.items() if value)
    yield from test.config


def _share(draft: Draft, top: Fields) -> None:
    """Puts the assertions that all cases begin with, and the vars of `defaultTest`, where a suite has them once."""
    cases = [dict(case) for case in draft.cases if isinstance(case, Mapping)]
    if not top.has("defaultTest") or len(cases) < 2:
        return
    every = [own for case in cases if isinstance(own := case.get("assert"), list)]
    shared = 0
    while len(every) == len(cases) and all(len(one) > shared and one[shared] == every[0][shared] for one in every):
        shared += 1
    if not shared:
        return
    draft.asserts = every[0][:shared]
    for case, own in zip(cases, every, strict=True):
        case["assert"] = own[shared:]
    draft.cases = [{key: value for key, value in case.items() if value != []} for case in cases]
