"""Vectors of texts, and how near they are to each other."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_metaprompt.errors import ScorerError
from pytest_metaprompt.protocols import Client, Graders
from pytest_metaprompt.results import Request
from pytest_metaprompt.scorers.grading import ask_model
from pytest_metaprompt.scorers.values import problem
from pytest_metaprompt.suites import Assertion, Message, ModelSpec

Vector = Sequence[float]


@dataclass(frozen=True, slots=True)
class Embedder:
    """An embedding model."""

    client: Client
    model: ModelSpec

    async def embed(self, text: str) -> Vector:
        """The vector of a text.

        Raises:
            ScorerError: The model cannot be asked, or its answer is no vector.
            BudgetExhaustedError: A cap is reached.
        """
        request = Request(self.model, (Message("input", text),))
        reply = await ask_model(self.client, request, who="the embedding model")
        try:
            vector = json.loads(reply.text)
        except (ValueError, RecursionError):
            vector = None
        if not isinstance(vector, list) or not vector or not all(map(_is_finite, vector)):
            raise ScorerError(f"the answer of the embedding model {self.model} is no vector")
        return vector


def open_embedder(assertion: Assertion, graders: Graders, *, own: ModelSpec | None) -> Embedder:
    """The assertion's own embedding model, else the suite's.

    Raises:
        MetapromptError: There is neither.
    """
    model = own or graders.embedding
    if model is None:
        hint = "add  embedding: openai:text-embedding-3-small  to the suite"
        raise problem(assertion, "needs an embedding model, and the suite names none", hint=hint)
    return Embedder(graders.embed, model)


def dot(one: Vector, other: Vector) -> float:
    """The dot product.

    Raises:
        ScorerError: The vectors are of different lengths.
    """
    if len(one) != len(other):
        raise ScorerError(f"vectors of {len(one)} and of {len(other)} numbers cannot be compared")
    return math.fsum(a * b for a, b in zip(one, other, strict=True))


def cosine(one: Vector, other: Vector) -> float:
    """The cosine of the angle between two vectors; 0 where one of them is all zeros."""
    lengths = math.sqrt(dot(one, one) * dot(other, other))
    return dot(one, other) / lengths if lengths else 0.0


def distance(one: Vector, other: Vector) -> float:
    """The Euclidean distance."""
    return math.sqrt(max(0.0, dot(one, one) + dot(other, other) - 2 * dot(one, other)))


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
