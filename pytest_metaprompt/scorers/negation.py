"""The one place where `not-` is handled, for every type alike."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pytest_metaprompt.protocols import Scorer
from pytest_metaprompt.results import Attempt, Verdict


@dataclass(frozen=True, slots=True)
class Negated:
    """Holds where the inner scorer does not, and the other way round. An error stays an error.

    The score is turned round, too, unless it is kept: so promptfoo has it for the user's code.
    """

    inner: Scorer
    keeps_score: bool = False

    async def score(self, attempt: Attempt) -> Verdict:
        """The opposite verdict; what the inner scorer raises passes through."""
        verdict = await self.inner.score(attempt)
        lead = "must not hold, but it does" if verdict.passed else "does not hold, as wanted"
        return replace(
            verdict,
            passed=not verdict.passed,
            score=verdict.score if self.keeps_score else 1.0 - verdict.score,
            reason=f"{lead}: {verdict.reason}",
        )
