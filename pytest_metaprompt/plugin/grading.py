"""How graded assertions reach their models: whichever judge or embedding model a question names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from pytest_metaprompt.clients.models import read_model
from pytest_metaprompt.clients.structured import StructuredClient
from pytest_metaprompt.protocols import Client, Graders, Scorer
from pytest_metaprompt.results import Reply, Request
from pytest_metaprompt.runner import OpenClient
from pytest_metaprompt.scorers import open_scorer
from pytest_metaprompt.scorers.grading import NOBODY
from pytest_metaprompt.suites import Assertion, ModelSpec, Suite, SuiteKey

DEFAULT_EMBEDDING = "text-embedding-3-small"
"""The embedding model of a suite that names none, where its judge or its target is at OpenAI's API."""


def graders_of(suite: Suite, *, ask: Client = NOBODY.ask, embed: Client = NOBODY.embed) -> Graders:
    """What the suite's graded assertions may ask."""
    return Graders(ask, embed, read_model, judge=suite.judge, embedding=embedding_of(suite))


def embedding_of(suite: Suite) -> ModelSpec | None:
    """The suite's embedding model; where it names none, the default at the server of an `openai:` judge or target."""
    if suite.embedding is not None:
        return suite.embedding
    near = next((spec for spec in (suite.judge, suite.target) if spec is not None and spec.provider == "openai"), None)
    return None if near is None else replace(near, name=DEFAULT_EMBEDDING, params={})


class Scorers:
    """Opens each assertion's scorer once, and lets it ask the models that it needs."""

    def __init__(self, *, judge: OpenClient, embedder: OpenClient) -> None:
        self._open_judge = judge
        self._open_embedder = embedder
        self._graders: dict[SuiteKey, Graders] = {}
        self._opened: dict[int, tuple[Assertion, Scorer]] = {}

    def of(self, suite: Suite, assertion: Assertion) -> Scorer:
        """The scorer of an assertion."""
        found = self._opened.get(id(assertion))
        if found is None:
            graders = self._graders_of(suite)
            # The assertion is kept beside its scorer, so that its id is not given away again.
            found = (assertion, open_scorer(assertion, base=suite.path.parent, graders=graders))
            self._opened[id(assertion)] = found
        return found[1]

    def _graders_of(self, suite: Suite) -> Graders:
        if suite.key not in self._graders:
            judge = StructuredClient(_ByModel(partial(self._open_judge, suite)))
            embedder = _ByModel(partial(self._open_embedder, suite))
            self._graders[suite.key] = graders_of(suite, ask=judge, embed=embedder)
        return self._graders[suite.key]


class _ByModel:
    """Asks the client of the model that a request names."""

    def __init__(self, client_of: Callable[[ModelSpec], Client]) -> None:
        self._client_of = client_of

    async def ask(self, request: Request) -> Reply:
        """The reply of the request's own model."""
        return await self._client_of(request.model).ask(request)
