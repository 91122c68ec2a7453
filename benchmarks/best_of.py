"""Best of N, the least that any search should beat: N independent proposals, each measured once on every case."""

from __future__ import annotations

import json
import random

from benchmarks.bed import Candidate
from benchmarks.counter import CapReachedError, Meter

SIZES = (3, 6, 9, 12)


def run_best_of(meter: Meter, *, seed: int) -> None:
    """As many proposals as the cap pays for; the best mean wins, if it is better than the routine as it was."""
    bed = meter.bed
    try:
        replies = [meter.ask(bed.base.messages(one.text)) for one in bed.train]
        best = sum(bed.passes(one, reply) for one, reply in zip(bed.train, replies, strict=True))
        chance = random.Random(f"best-of:{seed}")
        while best < len(bed.train):
            candidate = _advised(meter, replies) if bed.has_meta else _examples(meter, chance)
            score = sum(bed.passes(one, meter.ask(candidate.messages(one.text))) for one in bed.train)
            if score > best:
                best = score
                meter.holds(candidate)
    except CapReachedError:
        return


def _advised(meter: Meter, replies: list[str]) -> Candidate:
    """A new text, from every failure that the test run showed."""
    bed = meter.bed
    failed = [
        {"question": one.text, "expected": one.answer, "reply": reply}
        for one, reply in zip(bed.train, replies, strict=True)
        if not bed.passes(one, reply)
    ]
    prompt = f"Improve this prompt:\n```\n{bed.base.system}\n```\nIt fails on:\n{json.dumps(failed, indent=1)}"
    return Candidate(meter.advise(prompt, 1)[0].strip("`\n"))


def _examples(meter: Meter, chance: random.Random) -> Candidate:
    """A random set of worked examples."""
    bed = meter.bed
    chosen = chance.sample(bed.train, min(chance.choice(SIZES), len(bed.train) // 2))
    return Candidate(bed.base.system, tuple((one.text, one.answer) for one in chosen))
