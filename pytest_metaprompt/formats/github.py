"""GitHub's prompt files, `*.prompt.yml`: messages, test data and evaluators become a `Suite`.

The meaning is that of `gh models eval` (https://github.com/github/gh-models, `cmd/eval`): `contains`, `startsWith` and
`endsWith` take upper and lower case for the same, white space around the reply does not matter to them. Other than
there, `{{name}}` is filled in evaluators, too, as GitHub's own pages do, every check of an evaluator counts, and judges
are asked in our own words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pytest_metaprompt.errors import MetapromptError, SuiteFileError, did_you_mean
from pytest_metaprompt.formats.cases import CaseForm, CheckAssertion, check_unique, read_id
from pytest_metaprompt.formats.filling import Filling
from pytest_metaprompt.formats.github_judges import BUILT_IN, rubric_of
from pytest_metaprompt.formats.marked import Marked
from pytest_metaprompt.formats.models import ParseModel
from pytest_metaprompt.formats.problems import Problems, read_tree, shown_path
from pytest_metaprompt.suites import Assertion, Case, Json, ModelSpec, RoutineRef, Suite
from pytest_metaprompt.templates import as_text, fill

PARAMETERS: Mapping[str, str] = {
    "maxTokens": "max_tokens",
    "temperature": "temperature",
    "topP": "top_p",
    "frequencyPenalty": "frequency_penalty",
    "presencePenalty": "presence_penalty",
    "stop": "stop",
    "seed": "seed",
}
"""The parameters of a model as these files write them, and as a request does."""
_FORMATS = ("text", "json_object", "json_schema")
_KNOWN_EVALUATORS = (
    f"write  string: {{contains: ...}},  llm: {{prompt: ..., choices: [...]}}  or one of {', '.join(BUILT_IN)}"
)


def _literally(text: str) -> str:
    """A pattern that matches just this text; unlike `re.escape`, it stays readable in a message."""
    return re.sub(r"[\\.^$*+?{}\[\]|()]", r"\\\g<0>", text)


_Checked = Callable[[str], tuple[str, str]]
_CHECKS: Mapping[str, _Checked] = {
    "equals": lambda text: ("equals", text),
    "contains": lambda text: ("icontains", text),
    "startsWith": lambda text: ("regex", rf"(?i)\A\s*{_literally(text)}"),
    "endsWith": lambda text: ("regex", rf"(?i){_literally(text)}\s*\Z"),
}


def read_github(path: Path, *, root: Path, parse_model: ParseModel, check_assertion: CheckAssertion) -> Suite:
    """The suite in a prompt file of GitHub's. Its routine is the file's own list of messages.

    Raises:
        SuiteFileError: With everything that is wrong in the file.
    """
    problems = Problems(shown_path(path, root))
    reader = _Reader(_read_top(path, problems), problems, parse_model, check_assertion)
    suite = Suite(
        path=path,
        routine=RoutineRef(path=path, where=problems.at(1), form="messages-yaml"),
        cases=reader.cases(),
        target=reader.target(),
        judge=reader.judge(),
        objective=reader.text("description") or reader.text("name"),
    )
    problems.raise_if_any()
    return suite


def _read_top(path: Path, problems: Problems) -> Marked:
    top = read_tree(path, problems)
    if not isinstance(top.value, dict) or "messages" not in top.mapping():
        hint = "a prompt file has  messages: [{role: user, content: ...}]  and, to be tested, testData and evaluators"
        raise SuiteFileError([MetapromptError("no messages", where=problems.at(1), hint=hint)])
    return top


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one file; what is wrong with it is noted."""

    top: Marked
    problems: Problems
    parse_model: ParseModel
    check: CheckAssertion

    def text(self, key: str) -> str | None:
        node = self.top.mapping().get(key)
        return node.value if node is not None and isinstance(node.value, str) and node.value else None

    def target(self) -> ModelSpec | None:
        name = self.text("model")
        if name is None:
            return None
        with self.problems.noting(self.problems.at(self.top.key_lines["model"])):
            spec = self.parse_model(f"github:{name}")
            return ModelSpec(spec.provider, spec.name, {**self._parameters(), **self._response_format()})
        return None

    def judge(self) -> ModelSpec | None:
        """The model of the first evaluator that asks one."""
        asked = [model for node in self._evaluators() if (model := _judge_of(node)) is not None]
        return self.parse_model(asked[0]) if asked else None

    def _evaluators(self) -> tuple[Marked, ...]:
        node = self.top.mapping().get("evaluators")
        return node.value if node is not None and isinstance(node.value, tuple) else ()

    def cases(self) -> tuple[Case, ...]:
        rows, evaluators = self._listed("testData"), self._listed("evaluators")
        judge = self.judge()
        checks = [check for node in evaluators for check in self._checks(node, judge)]
        read = []
        for row in rows:
            if not isinstance(row.value, dict):
                self._add(row, "each of testData must be a mapping of variables to values")
                continue
            where = self.problems.at(row.line)
            form = CaseForm(row.mapping(), row.key_lines, _values(row), where, from_row=True)
            read.append((form, self._case(form, checks)))
        return check_unique(read, self.problems)

    def _case(self, form: CaseForm, checks: list[_Check]) -> Case:
        assertions = []
        for check in checks:
            with self.problems.noting(form.where):
                kind, value = check.read(fill(check.text, form.vars))
                where = self.problems.at(check.line)
                assertion = Assertion(kind, value, metric=check.name, settings=check.settings, where=where)
                self.check(assertion)
                assertions.append(assertion)
        answers = [as_text(one.value) for one in assertions if one.kind == "equals"]
        return Case(
            id=read_id(form, Filling(form.vars, self.problems, form.where, shared=True)),
            where=form.where,
            vars=form.vars,
            assertions=tuple(assertions),
            answer=answers[0] if len(answers) == 1 else None,
        )

    def _checks(self, node: Marked, judge: ModelSpec | None) -> Iterator[_Check]:
        entries = node.mapping() if isinstance(node.value, dict) else {}
        name = as_text(entries["name"].plain()) if "name" in entries else None
        if rubric := rubric_of(_evaluator(node)):
            # The first judge is the suite's, which an option may replace.
            own = str(judge) != rubric.judge
            settings: dict[str, Json] = {"provider": rubric.judge} if own else {}
            yield _Check(lambda text: ("llm-rubric", text), rubric.text, name, node.line, settings)
            return
        if "string" not in entries:
            uses = f"uses {entries['uses'].plain()}, which is not known" if "uses" in entries else "checks nothing"
            self._add(node, f"the evaluator {name!r} {uses}", _KNOWN_EVALUATORS)
            return
        string = entries["string"]
        if not isinstance(string.value, dict) or not string.value:
            self._add(node, f"the evaluator {name!r} checks nothing", f"known: {', '.join(_CHECKS)}")
            return
        for key, value in string.mapping().items():
            if key not in _CHECKS:
                self._add(value, f"unknown string evaluator {key!r}", did_you_mean(key, _CHECKS))
            else:
                yield _Check(_CHECKS[key], as_text(value.plain()), name, string.key_lines[key])

    def _listed(self, key: str) -> tuple[Marked, ...]:
        node = self.top.mapping().get(key)
        if node is None or not isinstance(node.value, tuple) or not node.value:
            line = self.top.key_lines.get(key, 1)
            self.problems.add(
                self.problems.at(line), f"{key} must be a list with at least one entry", hint=_NEEDED[key]
            )
            return ()
        return node.value

    def _parameters(self) -> dict[str, Json]:
        node = self.top.mapping().get("modelParameters")
        if node is None or node.value is None:
            return {}
        if not isinstance(node.value, dict):
            self._add(node, "modelParameters must be a mapping")
            return {}
        for key, value in node.mapping().items():
            if key not in PARAMETERS:
                self._add(value, f"unknown key {key!r} in modelParameters", did_you_mean(key, PARAMETERS))
        return {PARAMETERS[key]: value.plain() for key, value in node.mapping().items() if key in PARAMETERS}

    def _response_format(self) -> dict[str, Json]:
        kind = self.text("responseFormat")
        if kind is None:
            return {}
        line = self.problems.at(self.top.key_lines["responseFormat"])
        if kind not in _FORMATS:
            self.problems.add(line, f"unknown responseFormat {kind!r}", hint=did_you_mean(kind, _FORMATS))
        if kind != "json_schema":
            return {"response_format": {"type": kind}}
        try:
            schema: Json = json.loads(self.text("jsonSchema") or "")
        except ValueError as error:
            self.problems.add(line, f"jsonSchema must be a JSON Schema as a text: {error}")
            return {}
        return {"response_format": {"type": kind, "json_schema": schema}}

    def _add(self, node: Marked, message: str, hint: str | None = None) -> None:
        self.problems.add(self.problems.at(node.line), message, hint=hint)


@dataclass(frozen=True, slots=True)
class _Check:
    """One string to look for; `read` gives the assertion's type and value once the text is filled."""

    read: _Checked
    text: str
    name: str | None
    line: int
    settings: Mapping[str, Json] = field(default_factory=dict)


_NEEDED: Mapping[str, str] = {
    "testData": "each is a case: the values of its {{variables}}",
    "evaluators": "such as  - {name: short, string: {equals: '{{expected}}'}}",
}


def _values(row: Marked) -> dict[str, Json]:
    return {key: value.plain() for key, value in row.mapping().items()}


def _judge_of(node: Marked) -> str | None:
    rubric = rubric_of(_evaluator(node))
    return None if rubric is None else rubric.judge


def _evaluator(node: Marked) -> Mapping[str, Json]:
    return _values(node) if isinstance(node.value, dict) else {}
