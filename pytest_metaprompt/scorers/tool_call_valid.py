"""`is-valid-openai-tools-call` and its older forms: every call is of a known tool, with arguments that fit it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_metaprompt.errors import MetapromptError, ScorerError
from pytest_metaprompt.protocols import Scorer
from pytest_metaprompt.results import Attempt, ToolCall, Verdict
from pytest_metaprompt.scorers.excerpts import call_names, excerpt, excerpt_reply, few
from pytest_metaprompt.scorers.json_paths import show_path
from pytest_metaprompt.scorers.json_schema import open_schema
from pytest_metaprompt.scorers.json_values import plain
from pytest_metaprompt.scorers.values import refuse_value
from pytest_metaprompt.scorers.verdicts import fails, holds, reply_of
from pytest_metaprompt.suites import Assertion, Json


@dataclass(frozen=True, slots=True)
class ValidCalls:
    """Holds if the reply calls tools, each one that the target was given, with arguments that fit its schema."""

    assertion: Assertion

    async def score(self, attempt: Attempt) -> Verdict:
        """Checks every call of the reply.

        Raises:
            ScorerError: The target was given no tools, or one of them has no valid schema.
        """
        reply = reply_of(attempt)
        known = dict(_functions(attempt.params))
        if not known:
            hint = "give the target tools: [...]"
            raise ScorerError(f"{self.assertion.type}: the target has no tools", where=self.assertion.where, hint=hint)
        if not reply.tool_calls:
            return fails(f"expected a tool call, got the text {excerpt_reply(reply)}")
        complaints = [line for call in reply.tool_calls for line in self._complaints(call, known)]
        return fails(few(complaints)) if complaints else holds(f"the reply makes valid {call_names(reply)}")

    def _complaints(self, call: ToolCall, known: Mapping[str, Json]) -> Iterator[str]:
        if call.name not in known:
            yield f"there is no tool {call.name!r}, but {', '.join(sorted(known))}"
            return
        if call.arguments is None:
            yield f"{call.name}: the arguments are not a JSON object: {excerpt(call.raw_arguments)}"
            return
        try:
            validator = open_schema(json.dumps(plain(known[call.name])))
        except MetapromptError as error:
            message = f"{self.assertion.type}: parameters of the tool {call.name!r}: {error.message}"
            raise ScorerError(message, where=self.assertion.where) from None
        for flaw in validator.iter_errors(plain(call.arguments)):
            place = show_path(tuple(flaw.absolute_path))
            yield f"{call.name}: {place}{': ' if place else ''}{flaw.message}"


def open_valid_calls(assertion: Assertion) -> Scorer:
    """The scorer of an `is-valid-openai-tools-call`, `is-valid-function-call` or `is-valid-openai-function-call`."""
    refuse_value(assertion)
    return ValidCalls(assertion)


def _functions(params: Mapping[str, Json]) -> Iterator[tuple[str, Json]]:
    """The name and the parameters' schema of each tool that a request offers, in OpenAI's present and older form."""
    for key in ("tools", "functions"):
        offered = params.get(key)
        for tool in offered if isinstance(offered, Sequence) and not isinstance(offered, str) else ():
            function = tool.get("function", tool) if isinstance(tool, Mapping) else None
            if isinstance(function, Mapping) and isinstance(function.get("name"), str):
                yield str(function["name"]), function.get("parameters") or {"type": "object"}
