"""The results of a session's cases, each there as soon as its case was run. Any thread may look and wait.

There is no future for each case: one takes as much memory as all that is known of a case, and a run of many has few
that are waited for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock

from pytest_metaprompt.results import CaseResult
from pytest_metaprompt.suites import SuiteKey


@dataclass(frozen=True, slots=True)
class CaseKey:
    """A case among all suites."""

    suite: SuiteKey
    case: str


Ended = CaseResult | BaseException
"""What a case came to: its result, or why it has none."""


class CaseResults:
    """What every case came to, and futures of those that somebody waits for."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._ended: dict[SuiteKey, dict[str, Ended]] = {}
        self._under_way: set[CaseKey] = set()
        self._awaited: dict[CaseKey, Future[CaseResult]] = {}

    def expect(self, keys: Iterable[CaseKey]) -> None:
        """These are under way from now on."""
        with self._lock:
            self._under_way.update(keys)

    def knows(self, key: CaseKey) -> bool:
        """Whether a case is under way, or has ended."""
        return key in self._under_way or key.case in self._ended.get(key.suite, ())

    def put(self, ended: Iterable[tuple[CaseKey, Ended]]) -> None:
        """Take what cases that were under way came to. What comes after the end of a case is not wanted."""
        for key, outcome in ended:
            with self._lock:
                if key not in self._under_way:
                    continue
                self._under_way.remove(key)
                self._ended.setdefault(key.suite, {})[key.case] = outcome
                future = self._awaited.pop(key, None)
            if future is not None:
                _settle(future, outcome)

    def keep(self, key: CaseKey, result: CaseResult) -> None:
        """Take the result of a case that was run elsewhere, in the place of an older one."""
        with self._lock:
            self._ended.setdefault(key.suite, {})[key.case] = result

    def end(self, why: BaseException, *, of: Iterable[CaseKey] | None = None) -> None:
        """Nobody waits for ever: those of the cases (of all, where none are given) that are still under way end."""
        self.put([(key, why) for key in (list(self._under_way) if of is None else of)])

    def get(self, key: CaseKey) -> CaseResult | None:
        """The result of a case; None where there is none (yet)."""
        ended = self._ended.get(key.suite, {}).get(key.case)
        return ended if isinstance(ended, CaseResult) else None

    def future(self, key: CaseKey) -> Future[CaseResult]:
        """The result of a case that is known, as soon as it is there."""
        with self._lock:
            ended = self._ended.get(key.suite, {}).get(key.case)
            if ended is None:
                return self._awaited.setdefault(key, Future())
        future: Future[CaseResult] = Future()
        _settle(future, ended)
        return future

    def found(self) -> Mapping[SuiteKey, Mapping[str, CaseResult]]:
        """The results there are so far."""
        with self._lock:
            return {
                suite: {case: one for case, one in cases.items() if isinstance(one, CaseResult)}
                for suite, cases in self._ended.items()
            }


def _settle(future: Future[CaseResult], ended: Ended) -> None:
    with suppress(InvalidStateError):  # cancelled meanwhile: nobody wants it
        if isinstance(ended, CaseResult):
            future.set_result(ended)
        else:
            future.set_exception(ended)
