"""`rouge-n`, `bleu` and `gleu`: how many words and phrases the reply shares with a reference."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pytest_metaprompt.protocols import Scorer
from pytest_metaprompt.results import Attempt, Verdict
from pytest_metaprompt.scorers.excerpts import excerpt, excerpt_reply
from pytest_metaprompt.scorers.packages import need
from pytest_metaprompt.scorers.values import read_one_or_more, read_text_value, read_threshold
from pytest_metaprompt.scorers.verdicts import measured, reply_of
from pytest_metaprompt.suites import Assertion

Measure = Callable[[str, Sequence[str]], float]
"""How much a text shares with its references, in 0..1; with several, the best counts."""

_LONGEST = 4
_FLOOR = 1e-7


@dataclass(frozen=True, slots=True)
class Overlap:
    """Holds if the reply shares at least the threshold with the references; the score is what it shares."""

    measure: Measure
    references: tuple[str, ...]
    threshold: float

    async def score(self, attempt: Attempt) -> Verdict:
        """Measures the reply."""
        reply = reply_of(attempt)
        score = self.measure(reply.text, self.references)
        passed = score >= self.threshold
        reason = f"the score is {score:.4g}, {'at least' if passed else 'less than'} {self.threshold:g}"
        if passed:
            return measured(score, passed=True, reason=reason)
        reason = f"{reason}: expected {excerpt(self.references[0])}, got {excerpt_reply(reply)}"
        return measured(score, passed=False, reason=reason)


def open_rouge_n(assertion: Assertion) -> Scorer:
    """The scorer of a `rouge-n`; the threshold is 0.75 where none is given."""
    need(assertion, "rouge_score", extra="metrics")
    return Overlap(rouge_1, (read_text_value(assertion),), read_threshold(assertion, default=0.75))


def open_bleu(assertion: Assertion) -> Scorer:
    """The scorer of a `bleu`; the threshold is 0.5 where none is given."""
    need(assertion, "nltk", extra="metrics")
    return Overlap(bleu, read_one_or_more(assertion), read_threshold(assertion, default=0.5))


def open_gleu(assertion: Assertion) -> Scorer:
    """The scorer of a `gleu`; the threshold is 0.5 where none is given."""
    need(assertion, "nltk", extra="metrics")
    return Overlap(gleu, read_one_or_more(assertion), read_threshold(assertion, default=0.5))


def rouge_1(text: str, references: Sequence[str]) -> float:
    """The F-measure of ROUGE-1 (C.-Y. Lin, ROUGE, 2004): single words, as they are written."""
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rouge1"], tokenizer=_Words())
    return max(float(scorer.score(reference, text)["rouge1"].fmeasure) for reference in references)


def bleu(text: str, references: Sequence[str]) -> float:
    """BLEU (Papineni et al., 2002) of one sentence, upper and lower case alike: phrases of up to 4 words.

    An order of phrases without a match counts 1e-7 in place of 0; orders longer than the reply do not count.
    """
    from nltk.translate.bleu_score import brevity_penalty, closest_ref_length, modified_precision

    words, wanted = _lower_words(text), [_lower_words(reference) for reference in references]
    if not words:
        return 0.0
    orders = range(1, min(_LONGEST, len(words)) + 1)
    shares = [float(modified_precision(wanted, words, order)) or _FLOOR for order in orders]
    penalty = float(brevity_penalty(closest_ref_length(wanted, len(words)), len(words)))
    return penalty * math.exp(sum(map(math.log, shares)) / len(shares))


def gleu(text: str, references: Sequence[str]) -> float:
    """Google's BLEU (Wu et al., 2016) of one sentence, upper and lower case alike, without full stops."""
    from nltk.translate.gleu_score import sentence_gleu

    words = [word.rstrip(".") for word in _lower_words(text)]
    wanted = [[word.rstrip(".") for word in _lower_words(reference)] for reference in references]
    return float(max(sentence_gleu([reference], words) for reference in wanted)) if words else 0.0


class _Words:
    """Parts a text as the Penn Treebank does: punctuation stands alone."""

    def tokenize(self, text: str) -> list[str]:
        from nltk.tokenize.treebank import TreebankWordTokenizer

        words: list[str] = TreebankWordTokenizer().tokenize(text)
        return words


def _lower_words(text: str) -> list[str]:
    return text.lower().split()
