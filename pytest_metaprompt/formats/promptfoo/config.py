"""`promptfooconfig.yaml` and what it names, as suites: one for each prompt with each provider that it is for."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pytest_metaprompt.errors import MetapromptError, SuiteFileError, did_you_mean
from pytest_metaprompt.formats.problems import Problems
from pytest_metaprompt.formats.promptfoo.cases import ColumnCase, read_cases
from pytest_metaprompt.formats.promptfoo.document import Fields, env_texts, read_document
from pytest_metaprompt.formats.promptfoo.files import Folder
from pytest_metaprompt.formats.promptfoo.prompts import Prompt, matching, read_prompts
from pytest_metaprompt.formats.promptfoo.providers import Provider, read_providers
from pytest_metaprompt.nunjucks import shows_name
from pytest_metaprompt.suites import Column, Suite

_KNOWN = frozenset(
    [
        "description",
        "tags",
        "providers",
        "targets",
        "prompts",
        "tests",
        "scenarios",
        "defaultTest",
        "assertionTemplates",
        "evaluateOptions",
        "commandLineOptions",
        "derivedMetrics",
        "nunjucksFilters",
        "env",
        "extensions",
        "outputPath",
        "sharing",
        "writeLatestResults",
        "metadata",
        "redteam",
        "tracing",
    ]
)
_REFUSED: Mapping[str, str] = {
    "nunjucksFilters": "they are JavaScript; render the value in a Python var: file://value.py",
    "extensions": "hooks of promptfoo; use pytest's fixtures and hooks",
    "redteam": "red-team tests are generated and judged by promptfoo's own service",
}
_CONVERSATION = "_conversation"
_LONGEST = 40
_SLIP = 0.8


def read_config(path: Path, *, root: Path) -> tuple[Suite, ...]:
    """The suites of a promptfoo config; `part` names the column where there are several.

    Raises:
        SuiteFileError: It cannot be read, or uses what is not supported.
    """
    top = read_document(path, root=root)
    try:
        folder = Folder(path, root)
        first, *more = _suites(top, folder)
        return (_with_notes(first, folder.notes), *more)
    except SuiteFileError:
        raise
    except MetapromptError as error:
        where = error.where or top.where
        raise SuiteFileError([MetapromptError(error.message, where=where, hint=error.hint)]) from error


def _suites(top: Fields, folder: Folder) -> Iterator[Suite]:
    prompts, providers, cases = _parts_of(top, folder)
    pairs = [(prompt, provider) for provider in providers for prompt in matching(prompts, provider.prompts)]
    if not pairs:
        raise MetapromptError("no prompt is for any of the providers", where=top.where, hint="check their prompts:")
    for (prompt, provider), part in zip(pairs, _parts(pairs), strict=True):
        yield _suite(top, folder, prompt, provider, cases, part)


def _parts_of(top: Fields, folder: Folder) -> tuple[tuple[Prompt, ...], tuple[Provider, ...], tuple[ColumnCase, ...]]:
    prompts: tuple[Prompt, ...] = ()
    providers: tuple[Provider, ...] = ()
    cases: tuple[ColumnCase, ...] = ()
    problems = Problems(top.where.path)
    with problems.noting(top.where):
        _check_keys(top)
    with problems.noting(top.where):
        prompts = read_prompts(top, folder)
    with problems.noting(top.where):
        providers = read_providers(top, folder)
    with problems.noting(top.where):
        cases = read_cases(top, folder, env_texts(top.entries.get("env")))
    problems.raise_if_any()
    return prompts, providers, cases


def _with_notes(suite: Suite, notes: Sequence[str]) -> Suite:
    return suite if suite.column is None else replace(suite, column=replace(suite.column, notes=tuple(notes)))


def _suite(
    top: Fields, folder: Folder, prompt: Prompt, provider: Provider, cases: tuple[ColumnCase, ...], part: str
) -> Suite:
    own = [one for one in cases if one.is_for(prompt, provider)]
    options = top.fields("evaluateOptions")
    repeat = options.number("repeat") or top.fields("commandLineOptions").number("repeat") or 1
    column = Column(
        folder=folder.path,
        prompt=prompt.label,
        provider=provider.name,
        function=prompt.function,
        command=prompt.command,
        config=prompt.config,
        transform=provider.transform,
        env=provider.env,
        serial=_sees_conversation(prompt) or any(one.serial for one in own),
        delay_s=provider.delay_s,
        derived=_derived(top),
        concurrency=_concurrency(options),
    )
    return Suite(
        path=folder.config,
        routine=prompt.routine,
        cases=tuple(one.case for one in own),
        target=provider.spec,
        objective=top.text("description"),
        repeat=max(int(repeat), 1),
        part=part,
        column=column,
    )


def _concurrency(options: Fields) -> int | None:
    number = options.number("maxConcurrency")
    return None if number is None else max(1, int(number))


def _sees_conversation(prompt: Prompt) -> bool:
    if prompt.routine.inline is not None:
        return shows_name(prompt.routine.inline, _CONVERSATION)
    path = prompt.routine.path
    return path is not None and shows_name(path.read_text(encoding="utf-8", errors="replace"), _CONVERSATION)


def _derived(top: Fields) -> tuple[tuple[str, str], ...]:
    found = []
    for node in top.nodes("derivedMetrics"):
        fields = Fields(node.mapping() if isinstance(node.value, dict) else {}, top.place("derivedMetrics"), "a metric")
        name, value = fields.text("name"), fields.plain("value")
        if not name or not isinstance(value, str):
            hint = "write  - {name: Mean, value: (A + B) / 2}"
            raise MetapromptError("a derived metric has a name and a formula", where=fields.where, hint=hint)
        found.append((name, value))
    return tuple(found)


def _check_keys(top: Fields) -> None:
    for key in top.entries:
        if key in _REFUSED and top.has(key):
            raise MetapromptError(f"{key} is not supported", where=top.place(key), hint=_REFUSED[key])
        # Other keys may hold what anchors and $ref point at; only a slip of a known one is refused.
        if key not in _KNOWN and difflib.get_close_matches(key, _KNOWN, n=1, cutoff=_SLIP):
            raise MetapromptError(f"unknown key {key!r}", where=top.place(key), hint=did_you_mean(key, _KNOWN))


def _parts(pairs: list[tuple[Prompt, Provider]]) -> list[str]:
    """A readable name for each column: what differs of prompt and provider; nothing for the only one."""
    prompts, providers = {id(prompt) for prompt, _ in pairs}, {id(provider) for _, provider in pairs}
    names = []
    for prompt, provider in pairs:
        shown = [_readable(prompt.short or prompt.label)] if len(prompts) > 1 else []
        shown += [_readable(provider.name)] if len(providers) > 1 else []
        names.append(" · ".join(shown))
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return unique


def _readable(label: str) -> str:
    """A label as a part of a node id: one line, without what pytest takes an id apart at."""
    line = " ".join(label.split()).replace("[", "(").replace("]", ")").replace("::", ":")
    line = "".join(character for character in line if character.isprintable())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1].rstrip()}…"
