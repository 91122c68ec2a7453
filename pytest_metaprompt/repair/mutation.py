"""What no case guards: sentences of a routine that no case would miss, and tools that no case needs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_metaprompt.errors import BudgetExhaustedError, RoutineError
from pytest_metaprompt.repair.acceptance import is_broken
from pytest_metaprompt.repair.bench import IndecisiveError
from pytest_metaprompt.repair.job import RepairJob
from pytest_metaprompt.repair.likeness import likeness, words_of, words_of_case
from pytest_metaprompt.repair.sentences import Sentence, instruction_parts, sentences, without
from pytest_metaprompt.repair.trials import Trials
from pytest_metaprompt.results import Run, Unguarded
from pytest_metaprompt.routines import Routine, replace_part
from pytest_metaprompt.runner import each
from pytest_metaprompt.suites import Json


@dataclass(frozen=True, slots=True)
class _Mutant:
    """A sentence, and the routine without it."""

    sentence: Sentence
    routine: Routine


async def find_unguarded(job: RepairJob) -> Unguarded:
    """Remove one sentence at a time, and ask the cases that pass until one notices.

    A case notices as a case breaks in a repair: where replies vary, only by losing most of several fresh pairs.
    Headings are removed like sentences. When the budget ends, the sentences that are left are counted as not examined.
    """
    trials = Trials(job)
    before = trials.remember_the_run()
    passing = [key for key, passed in before.items() if passed]
    mutants = _mutants(job.routine)
    tools = unused_tools(job.tools, job.runs)
    lost: list[str] = []
    for at, mutant in enumerate(mutants):
        job.progress(f"sentence {at + 1} of {len(mutants)}: is it missed?")
        try:
            if at == 0:
                trials.bench.exact = await trials.replies_repeat(passing)
            noticed = await _is_noticed(trials, job, mutant, passing)
        except (BudgetExhaustedError, IndecisiveError):
            return Unguarded(job.routine.name, tuple(lost), tools, at, len(mutants) - at)
        if not noticed:
            lost.append(mutant.sentence.text)
    return Unguarded(job.routine.name, tuple(lost), tools, len(mutants), 0)


def unused_tools(tools: frozenset[str], runs: Sequence[Run]) -> tuple[str, ...]:
    """The target's tools that no assertion, in a set or a Python test as well, has by name and no attempt called."""
    seen: set[str] = set()
    for result in (result for run in runs for result in run.results):
        for check in (part for whole in result.case.assertions for part in whole.parts):
            told = " ".join(_texts([check.value, check.settings.get("source")]))
            seen |= {name for name in tools if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", told)}
        for attempt in result.attempts:
            seen |= {call.name for call in (*attempt.calls, *(attempt.reply.tool_calls if attempt.reply else ()))}
    return tuple(sorted(tools - seen))


async def _is_noticed(trials: Trials, job: RepairJob, mutant: _Mutant, passing: Sequence[str]) -> bool:
    """Whether a passing case breaks: the ones that speak of the same come first, a few more at a time."""
    trials.add(mutant.routine)
    words = words_of(mutant.sentence.text)
    by_key = {subject.key: subject for subject in job.subjects}
    order = sorted(passing, key=lambda key: -likeness(words, words_of_case(by_key[key].case)))
    start, size = 0, 4
    while start < len(order):
        heat = order[start : start + size]
        broken = await each(
            heat,
            lambda key: is_broken(trials.bench, job.routine.text, mutant.routine.text, key),
            limit=job.limit,
        )
        if any(broken):
            return True
        start, size = start + size, 2 * size
    return False


def _mutants(routine: Routine) -> list[_Mutant]:
    found: list[_Mutant] = []
    for at in instruction_parts(routine):
        text = routine.parts[at].text
        for sentence in sentences(text):
            try:
                found.append(_Mutant(sentence, replace_part(routine, at, without(text, sentence))))
            except RoutineError:  # Nothing would be left of the message.
                continue
    return found


def _texts(value: Json) -> Iterator[str]:
    """Every text in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, Sequence):
        for item in value:
            yield from _texts(item)
