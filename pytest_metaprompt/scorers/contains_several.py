"""`contains-any`, `contains-all` and their `icontains-` forms: several texts, of which the reply must hold some."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_metaprompt.protocols import Scorer
from pytest_metaprompt.results import Attempt, Verdict
from pytest_metaprompt.scorers.excerpts import excerpt, excerpt_reply, few
from pytest_metaprompt.scorers.values import read_text_values
from pytest_metaprompt.scorers.verdicts import fails, holds, reply_of
from pytest_metaprompt.suites import Assertion


@dataclass(frozen=True, slots=True)
class ContainsAny:
    """Holds if one of the texts stands in the reply; `any_case` takes upper and lower case for the same."""

    texts: tuple[str, ...]
    any_case: bool

    async def score(self, attempt: Attempt) -> Verdict:
        """Looks for each text in the reply."""
        reply = reply_of(attempt)
        missing = _missing(self.texts, reply.text, any_case=self.any_case)
        for text in self.texts:
            if text not in missing:
                return holds(f"the reply contains {excerpt(text)}")
        return fails(f"expected the reply to contain one of {_listed(self.texts)}, got {excerpt_reply(reply)}")


@dataclass(frozen=True, slots=True)
class ContainsAll:
    """Holds if every text stands in the reply; `any_case` takes upper and lower case for the same."""

    texts: tuple[str, ...]
    any_case: bool

    async def score(self, attempt: Attempt) -> Verdict:
        """Looks for each text in the reply."""
        reply = reply_of(attempt)
        missing = _missing(self.texts, reply.text, any_case=self.any_case)
        if not missing:
            return holds(f"the reply contains {_listed(self.texts)}")
        return fails(f"the reply lacks {_listed(missing)}: {excerpt_reply(reply)}")


def open_contains_any(assertion: Assertion) -> Scorer:
    """The scorer of a `contains-any` or `icontains-any`."""
    return ContainsAny(read_text_values(assertion), any_case=assertion.kind.startswith("i"))


def open_contains_all(assertion: Assertion) -> Scorer:
    """The scorer of a `contains-all` or `icontains-all`."""
    return ContainsAll(read_text_values(assertion), any_case=assertion.kind.startswith("i"))


def _missing(texts: tuple[str, ...], reply: str, *, any_case: bool) -> tuple[str, ...]:
    lower = reply.lower()
    return tuple(text for text in texts if text not in reply and not (any_case and text.lower() in lower))


def _listed(texts: tuple[str, ...]) -> str:
    return few([excerpt(text) for text in texts], between=", ")
