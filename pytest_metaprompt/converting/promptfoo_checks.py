"""The assertions of a promptfoo test as a suite writes them, each looked at once more by what will judge it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_metaprompt.converting.drafts import Draft
from pytest_metaprompt.errors import MetapromptError
from pytest_metaprompt.files import FILE_PREFIX
from pytest_metaprompt.formats.promptfoo.files import Folder
from pytest_metaprompt.formats.promptfoo.providers import FROM_FILE, Provider
from pytest_metaprompt.nunjucks import render_nunjucks
from pytest_metaprompt.scorers import check
from pytest_metaprompt.scorers.families import FAMILIES
from pytest_metaprompt.scorers.javascript_regex import compile_javascript
from pytest_metaprompt.suites import Assertion, Json
from pytest_metaprompt.templates import placeholder_names

_SET = "assert-set"
_CODE = ("python", "javascript")
_SETTINGS = ("provider", "config", "factuality")
_NAME = re.compile(r"\{\{\s*[A-Za-z_][\w-]*\s*\}\}")


@dataclass(frozen=True, slots=True)
class Checks:
    """Writes assertions for a suite in the draft's folder; what it cannot have is noted there."""

    draft: Draft
    folder: Folder
    provider: Provider | None

    def read(self, assertion: Assertion, values: Mapping[str, Json], of: str) -> dict[str, Json] | None:
        """The assertion, for a case with these vars; None where a suite cannot have it."""
        of = f"{of}: {assertion.type}"
        if assertion.kind not in self.draft.source.known:
            self.draft.leave_out(of, f"there is no assertion {assertion.type!r}")
            return None
        try:
            self._refuse_what_is_more(assertion)
            return self._written(assertion, values, of)
        except MetapromptError as error:
            self.draft.leave_out(of, error.message.removeprefix(f"{assertion.type}: "))
            return None

    def together(self, asserts: Sequence[Json], threshold: float, of: str) -> dict[str, Json] | None:
        """The set that passes as a test with a threshold does."""
        if threshold <= 0:
            self.draft.leave_out(of, f"with a threshold of {threshold:g} it would always pass")
            return None
        return {"type": _SET, "threshold": threshold, "assert": list(asserts)}

    def _refuse_what_is_more(self, assertion: Assertion) -> None:
        if extra := sorted(assertion.settings.keys() - {*_SETTINGS}):
            raise MetapromptError(f"a suite knows no {', '.join(map(repr, extra))} there")
        if assertion.transform is not None and not assertion.transform.startswith(FILE_PREFIX):
            raise MetapromptError("its transform is JavaScript: put it into a file, and write  transform: file://...")
        if assertion.kind in _CODE and (shape := self._shape()):
            raise MetapromptError(f"with {shape} its output is not the text of the reply, which it is in a suite")

    def _shape(self) -> str | None:
        """What makes a value of the reply that code sees in promptfoo."""
        params = self.provider.spec.params if self.provider is not None else {}
        form = params.get("response_format")
        if isinstance(form, Mapping) and form.get("type") == "json_schema" and FROM_FILE not in form:
            return "response_format"
        return next((key for key in ("tools", "functions") if params.get(key)), None)

    def _written(self, assertion: Assertion, values: Mapping[str, Json], of: str) -> dict[str, Json] | None:
        children = [self.read(child, values, of) for child in assertion.children]
        if None in children:
            return None
        value = self._value(assertion, values)
        family = FAMILIES.get(assertion.kind)
        threshold = None if family is not None and not family.threshold else assertion.threshold
        plain = replace(
            assertion, value=self._filled(value, values), threshold=threshold, dialect="native", children=()
        )
        if assertion.kind != _SET:
            check(plain)
        found: dict[str, Json] = {
            "type": assertion.type,
            "value": value,
            "threshold": threshold,
            "weight": None if assertion.weight == 1 else assertion.weight,
            "metric": self._rendered(assertion.metric, values) if assertion.metric else None,
            "transform": None if assertion.transform is None else self._moved(assertion.transform),
            "assert": children or None,
            **assertion.settings,
        }
        return {key: item for key, item in found.items() if item is not None}

    def _value(self, assertion: Assertion, values: Mapping[str, Json]) -> Json:
        value = assertion.value
        if isinstance(value, str):
            value = self._text(value, values)
            return _pythons(value) if assertion.kind == "regex" else value
        if isinstance(value, list):
            return [self._text(item, values) if isinstance(item, str) else item for item in value]
        if "{{" in json.dumps(value):
            raise MetapromptError("it holds a template, which promptfoo leaves alone there")
        return value

    def _text(self, text: str, values: Mapping[str, Json]) -> str:
        """A text as a suite has it: with its plain `{{name}}`, and with everything else put in."""
        if text.startswith(FILE_PREFIX):
            return self._moved(text)
        names, without = placeholder_names(text), _NAME.sub("", text)
        is_plain = "{{" not in without and "{%" not in without
        if is_plain and all(isinstance(values.get(name), str) for name in names):
            return text
        return self._rendered(text, values)

    def _rendered(self, text: str, values: Mapping[str, Json]) -> str:
        rendered = render_nunjucks(text, {**values, "env": dict(os.environ)})
        if "{{" in rendered:
            raise MetapromptError("what its template gives looks like a template itself")
        return rendered

    def _filled(self, value: Json, values: Mapping[str, Json]) -> Json:
        if isinstance(value, str) and not value.startswith(FILE_PREFIX):
            return render_nunjucks(value, values)
        if isinstance(value, list):
            return [self._filled(item, values) for item in value]
        return value

    def _moved(self, text: str) -> str:
        """A `file://` as it is seen from the suite's folder."""
        name, colon, function = text.removeprefix(FILE_PREFIX).partition(":")
        path = os.path.relpath(self.folder.path / name, self.draft.source.folder)
        return f"{FILE_PREFIX}{Path(path).as_posix()}{colon}{function}"


def _pythons(pattern: str) -> str:
    """The pattern itself where Python reads it, or else in Python's words."""
    try:
        re.compile(pattern)
    except re.error:
        try:
            return compile_javascript(pattern).pattern
        except re.error as error:
            raise MetapromptError(f"invalid pattern {pattern!r}: {error}") from None
    return pattern
