"""Sets the cases of a session going, and gives each its result as soon as it is there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING

from pytest_metaprompt.jobs import run_jobs
from pytest_metaprompt.plugin.case_results import CaseKey, CaseResults, Ended
from pytest_metaprompt.plugin.progress import Progress
from pytest_metaprompt.plugin.session import StoppedError
from pytest_metaprompt.results import CaseResult
from pytest_metaprompt.runner import Job

if TYPE_CHECKING:
    from pytest_metaprompt.plugin.session import PromptSession


def set_going(session: PromptSession, keys: Sequence[CaseKey], results: CaseResults) -> None:
    """Ask about these cases in the session's thread, in their order; each gets a result, or what went wrong. From any
    thread."""
    results.expect(keys)
    jobs = _jobs(session, keys)
    progress = session.progress = Progress([job.suite.key for job in jobs])
    ended: list[tuple[CaseKey, Ended]] = []

    def report(index: int, result: CaseResult) -> None:
        progress.ended(index, result)
        session.seconds = progress.seconds
        end(index, result)

    def end(index: int, outcome: Ended) -> None:
        # All that ends in one round of the loop is handed over at once, so that pytest's thread is not woken for each
        # case of a run from the cache, only to find this thread at work.
        if not ended:
            asyncio.get_running_loop().call_soon(hand_over)
        ended.append((keys[index], outcome))

    def hand_over() -> None:
        results.put(ended)
        ended.clear()

    def finish(done: Future[None]) -> None:
        hand_over()
        trouble = StoppedError("the run was stopped") if done.cancelled() else done.exception()
        results.end(trouble or StoppedError("the run was stopped after enough failures"), of=keys)

    thread = session.thread  # Before there is work: Ctrl-C may come while it begins.
    everything = sum(job.suite.repeat for job in jobs)
    asker = session.models.asker(batched=True)
    work = run_jobs(
        asker if session.crew is None else session.crew.helping(asker),
        jobs,
        # A batch takes all questions at once; live calls then keep to the limit by themselves.
        limit=everything if session.options.batch else session.options.concurrency,
        report=report,
        broken=end,
        max_failures=session.max_failures,
        begun=progress.begun,
        max_seconds=session.options.timeout_s,
    )
    thread.submit(work).add_done_callback(finish)


def _jobs(session: PromptSession, keys: Sequence[CaseKey]) -> list[Job]:
    cases = {CaseKey(suite, case.id): case for suite, one in session.suites.items() for case in one.suite.cases}
    loaded = [session.suites[key.suite] for key in keys]
    return [Job(one.suite, cases[key], one.routine) for one, key in zip(loaded, keys, strict=True)]
