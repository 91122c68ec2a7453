"""Sets the cases of a session going, and gives each its result as soon as it is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import TYPE_CHECKING

from pytest_metaprompt.jobs import run_jobs
from pytest_metaprompt.plugin.progress import Progress
from pytest_metaprompt.plugin.session import CaseKey, StoppedError
from pytest_metaprompt.results import CaseResult
from pytest_metaprompt.runner import Job

if TYPE_CHECKING:
    from pytest_metaprompt.plugin.session import PromptSession


def set_going(session: PromptSession, awaited: Mapping[CaseKey, Future[CaseResult]]) -> None:
    """Ask about these cases in the session's thread, in their order; every future gets its result, or what went wrong.
    From any thread."""
    jobs, futures = _jobs(session, list(awaited)), list(awaited.values())
    progress = session.progress = Progress([job.suite.key for job in jobs])

    def report(index: int, result: CaseResult) -> None:
        progress.ended(index, result)
        session.seconds = progress.seconds
        with suppress(InvalidStateError):  # cancelled meanwhile: nobody wants the result
            futures[index].set_result(result)

    def broken(index: int, error: Exception) -> None:
        with suppress(InvalidStateError):
            futures[index].set_exception(error)

    thread = session.thread  # Before there is work: Ctrl-C may come while it begins.
    everything = sum(job.suite.repeat for job in jobs)
    work = run_jobs(
        session.models.asker(batched=True),
        jobs,
        # A batch takes all questions at once; live calls then keep to the limit by themselves.
        limit=everything if session.options.batch else session.options.concurrency,
        report=report,
        broken=broken,
        max_failures=session.max_failures,
        begun=progress.begun,
        max_seconds=session.options.timeout_s,
    )
    thread.submit(work).add_done_callback(lambda done: _pass_on(done, futures))


def _jobs(session: PromptSession, keys: Sequence[CaseKey]) -> list[Job]:
    cases = {CaseKey(suite, case.id): case for suite, one in session.suites.items() for case in one.suite.cases}
    loaded = [session.suites[key.suite] for key in keys]
    return [Job(one.suite, cases[key], one.routine) for one, key in zip(loaded, keys, strict=True)]


def _pass_on(done: Future[None], futures: Sequence[Future[CaseResult]]) -> None:
    """Nobody waits for ever: what ended the run ends every case that has no result."""
    trouble = StoppedError("the run was stopped") if done.cancelled() else done.exception()
    for future in futures:
        if not future.done():
            future.set_exception(trouble or StoppedError("the run was stopped after enough failures"))
