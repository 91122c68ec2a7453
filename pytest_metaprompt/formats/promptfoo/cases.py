"""The tests of a config as cases: expanded, with ids, and each with the columns that it is for."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_metaprompt.errors import MetapromptError, did_you_mean
from pytest_metaprompt.files import FILE_PREFIX
from pytest_metaprompt.formats.marked import Marked
from pytest_metaprompt.formats.promptfoo.assertions import read_assertions
from pytest_metaprompt.formats.promptfoo.document import Fields, fields_of, read_nodes
from pytest_metaprompt.formats.promptfoo.files import Folder
from pytest_metaprompt.formats.promptfoo.gathering import gathered
from pytest_metaprompt.formats.promptfoo.graders import GraderOptions
from pytest_metaprompt.formats.promptfoo.merging import merged
from pytest_metaprompt.formats.promptfoo.prompts import Prompt
from pytest_metaprompt.formats.promptfoo.providers import Provider, read_param, read_provider
from pytest_metaprompt.formats.promptfoo.tests import read_tests
from pytest_metaprompt.formats.promptfoo.variables import combinations, read_vars
from pytest_metaprompt.python_files import split_reference
from pytest_metaprompt.suites import Assertion, Case, ColumnTest, Json, ModelSpec

_KNOWN = frozenset(
    [
        "description",
        "vars",
        "assert",
        "assertScoringFunction",
        "threshold",
        "options",
        "provider",
        "providers",
        "prompts",
        "providerOutput",
        "metadata",
    ]
)
_OPTIONS = frozenset(
    [
        "prefix",
        "suffix",
        "transform",
        "postprocess",
        "transformVars",
        "storeOutputAs",
        "rubricPrompt",
        "provider",
        "factuality",
        "disableVarExpansion",
        "disableConversationVar",
        "disableDefaultAsserts",
        "runSerially",
    ]
)
_REFUSED = {
    "repeat": "use evaluateOptions.repeat, or --metaprompt-repeat",
}
_SLUG = re.compile(r"[^\w.+=-]+")
_LONGEST_ID = 60
_RESERVED = "gate"


@dataclass(frozen=True, slots=True)
class ColumnCase:
    """A case, and the prompts and providers that it is for; None means all. `origin` is the number of the test that it
    was expanded from."""

    case: Case
    origin: int
    prompts: tuple[str, ...] | None
    providers: tuple[str, ...] | None
    serial: bool

    def is_for(self, prompt: Prompt, provider: Provider) -> bool:
        """Whether the case belongs to a column."""
        fits = self.prompts is None or any(prompt.matches(one) for one in self.prompts)
        return fits and (self.providers is None or any(provider.matches(one) for one in self.providers))


def read_cases(top: Fields, folder: Folder, env: Mapping[str, str]) -> tuple[ColumnCase, ...]:
    """The cases of a config in promptfoo's order: its tests, then its scenarios; one without vars if it has neither.

    Raises:
        MetapromptError: One of them cannot be read.
    """
    base = _default_test(top, folder)
    forms = list(_forms(top, folder)) or [Fields({}, top.where, "the test")]
    reader = _Reader(folder, env)
    return _with_ids(gathered(enumerate(forms), lambda entry: reader.cases(merged(base, entry[1]), entry[0])))


def _default_test(top: Fields, folder: Folder) -> Fields:
    node = top.entries.get("defaultTest")
    if node is None or node.value is None:
        return Fields({}, top.where, "defaultTest")
    fields = fields_of(node, top.where.path, "defaultTest") if isinstance(node.value, dict) else None
    if fields is None:
        name = (top.text("defaultTest") or "").removeprefix(FILE_PREFIX)
        path = folder.find(name, what="the default test", where=top.place("defaultTest"))
        shown = folder.shown(path)
        fields = fields_of(read_nodes(path, shown), shown, "defaultTest")
    return _loaded(fields, folder, base=folder.path)


def _loaded(fields: Fields, folder: Folder, *, base: Path) -> Fields:
    """The test with its vars as a mapping; paths of vars start from `base`."""
    _check_keys(fields)
    values = dict(read_vars(fields, folder, base=base))
    return replace(fields, entries={**fields.entries, "vars": Marked(values, fields.where.line or 1)})


def _forms(top: Fields, folder: Folder) -> Iterator[Fields]:
    yield from (_loaded(form.fields, folder, base=form.folder) for form in read_tests(top, "tests", folder))
    for scenario in _scenarios(top, folder):
        tests = [_loaded(form.fields, folder, base=folder.path) for form in read_tests(scenario, "tests", folder)]
        for row in read_tests(scenario, "config", folder):
            for test in tests or [Fields({}, scenario.where, "the test")]:
                yield merged(_loaded(row.fields, folder, base=folder.path), test)


def _scenarios(top: Fields, folder: Folder) -> Iterator[Fields]:
    for node in top.nodes("scenarios"):
        if not isinstance(node.value, str):
            yield fields_of(node, top.where.path, "a scenario")
            continue
        for path in folder.glob(node.value.removeprefix(FILE_PREFIX)):
            shown = folder.shown(path)
            found = read_nodes(path, shown)
            for item in found.items() if isinstance(found.value, tuple) else (found,):
                yield fields_of(item, shown, "a scenario")


def _check_keys(fields: Fields) -> None:
    for key in fields.entries:
        if key in _REFUSED:
            raise MetapromptError(f"{key} is not supported", where=fields.place(key), hint=_REFUSED[key])
        if key not in _KNOWN:
            hint = f"write  options: {{{key}: ...}}" if key in _OPTIONS else did_you_mean(key, _KNOWN)
            raise MetapromptError(f"unknown key {key!r} in a test", where=fields.place(key), hint=hint)


@dataclass(frozen=True, slots=True)
class _Reader:
    folder: Folder
    env: Mapping[str, str]

    def cases(self, fields: Fields, origin: int) -> Iterator[ColumnCase]:
        """The cases that a merged test stands for."""
        options = fields.fields("options")
        if options.has("repeat"):
            raise MetapromptError("options.repeat is not supported", where=fields.where, hint=_REFUSED["repeat"])
        test, assertions = self._column_test(fields, options), self._assertions(fields, options)
        case = Case(
            id=fields.text("description") or "",
            where=fields.where,
            assertions=assertions,
            answer=_answer(assertions),
            threshold=fields.number("threshold"),
            column_test=test,
        )
        values = fields.mapping("vars")
        expand = not options.flag("disableVarExpansion")
        rows = combinations(values, self.folder, where=fields.where, expand=expand)
        serial = test.store_as is not None or options.flag("runSerially")
        for row in rows:
            varied = [row[name] for name in row if row[name] != values[name]] if len(rows) > 1 else []
            named = replace(case, id=_case_id(case, row, varied), vars=row)
            yield ColumnCase(named, origin, fields.texts("prompts"), fields.texts("providers"), serial)

    def _assertions(self, fields: Fields, options: Fields) -> tuple[Assertion, ...]:
        return read_assertions(fields, GraderOptions(options, self.folder, self.env))

    def _column_test(self, fields: Fields, options: Fields) -> ColumnTest:
        output = fields.plain("providerOutput")
        metadata = fields.mapping("metadata")
        conversation = metadata.get("conversationId")
        return ColumnTest(
            prefix=options.text("prefix") or "",
            suffix=options.text("suffix") or "",
            transform=options.text("transform") or options.text("postprocess"),
            transform_vars=options.text("transformVars"),
            store_as=options.text("storeOutputAs"),
            conversation=None if conversation is None else str(conversation),
            sees_conversation=not options.flag("disableConversationVar"),
            output=None if output == "" else output,
            config={
                key: read_param(node.plain(), self.folder, options.place(key))
                for key, node in options.entries.items()
                if key not in _OPTIONS
            },
            metadata=metadata,
            target=self._target(fields),
            scoring=self._scoring(fields),
        )

    def _scoring(self, fields: Fields) -> str | None:
        text = fields.text("assertScoringFunction")
        if text is None:
            return None
        found = split_reference(text.removeprefix(FILE_PREFIX), default="")
        if found is None or not found[1]:
            hint = "write  file://scoring.py:function"
            where = fields.place("assertScoringFunction")
            raise MetapromptError(f"assertScoringFunction {text!r} is no Python function", where=where, hint=hint)
        self.folder.find(found[0], what="the scoring file", where=fields.place("assertScoringFunction"))
        return f"{found[0]}:{found[1]}"

    def _target(self, fields: Fields) -> ModelSpec | None:
        if not fields.has("provider"):
            return None
        return read_provider(fields.entries["provider"], fields.where.path, self.folder, self.env).spec


def _answer(assertions: tuple[Assertion, ...]) -> str | None:
    """The whole right reply: what the only `equals` asks for, unless it is a template."""
    wanted = [one.value for one in assertions if one.kind == "equals" and not one.negated]
    text = wanted[0] if len(wanted) == 1 else None
    return text if isinstance(text, str) and "{{" not in text else None


def _case_id(case: Case, values: Mapping[str, Json], varied: list[Json]) -> str:
    """The description as a slug, with the values that tell apart what it was expanded to; or else a digest."""
    name = _slug(case.id)
    if not name:
        said = [values, [[one.type, one.value] for one in case.assertions]]
        text = json.dumps(said, sort_keys=True, default=str)
        return f"test-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    parts = [_slug(value if isinstance(value, str) else json.dumps(value, default=str)) for value in varied]
    name = "-".join([name, *filter(None, parts)])[:_LONGEST_ID].strip("-")
    return f"{name}-1" if name == _RESERVED else name


def _slug(text: str) -> str:
    return _SLUG.sub("-", text).strip("-.").lower()[:_LONGEST_ID]


def _with_ids(found: Sequence[ColumnCase]) -> tuple[ColumnCase, ...]:
    """The cases, each with an id of its own: the second of a kind gets `-2`."""
    used: Counter[str] = Counter()
    taken = {one.case.id for one in found}
    named = []
    for one in found:
        used[one.case.id] += 1
        name = one.case.id
        if used[name] > 1:
            number = used[name]
            while f"{name}-{number}" in taken:
                number += 1
            name = f"{name}-{number}"
            taken.add(name)
        named.append(replace(one, case=replace(one.case, id=name)))
    return tuple(named)
