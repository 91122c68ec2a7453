"""Suite files as pytest collectors, cases and gates as pytest items."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from _pytest.outcomes import Failed

from pytest_metaprompt.plugin.case_results import CaseKey
from pytest_metaprompt.plugin.junit import case_properties, gate_properties
from pytest_metaprompt.plugin.keys import session_of
from pytest_metaprompt.plugin.kinds import Kind
from pytest_metaprompt.plugin.session import LoadedSuite, PromptSession
from pytest_metaprompt.plugin.terminal import CasePage, GatePage
from pytest_metaprompt.results import CaseResult
from pytest_metaprompt.suites import Case, GateSettings

if TYPE_CHECKING:
    from _pytest._code.code import TerminalRepr

GATE = "gate"


class CaseProblemError(Failed):
    """A case that failed or could not be judged; the page tells the rest."""

    def __init__(self, result: CaseResult) -> None:
        self.result = result
        # Without a traceback, because pytest takes a tenth of a second to format the one of an error in a setup.
        super().__init__(result.case.id, pytrace=False)


class GateFailedError(Exception):
    """A gate that was not reached."""

    def __init__(self, reasons: tuple[str, ...]) -> None:
        self.reasons = reasons
        super().__init__("; ".join(reasons))


def why_skipped(result: CaseResult) -> str:
    """Why a skipped case could not be judged."""
    return next(attempt.skipped for attempt in result.attempts if attempt.skipped is not None)


class SuiteFile(pytest.File):
    """A file with one suite or several."""

    def __init__(self, *, kind: Kind, **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]  # pytest's own arguments, passed through from_parent
        self.kind = kind

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        """The suite's items, or a collector for each suite. Problems of the file are kept for one usage error."""
        for loaded in session_of(self.config).load(self.path, self.kind):
            if loaded.suite.part:
                yield SuitePart.from_parent(self, name=loaded.suite.part, loaded=loaded)
            else:
                yield from _items(self, loaded)


class SuitePart(pytest.Collector):
    """One of the suites of a file."""

    def __init__(self, *, loaded: LoadedSuite, **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]  # pytest's own arguments, passed through from_parent
        self.loaded = loaded

    def collect(self) -> Iterator[pytest.Item]:
        """The suite's items."""
        return _items(self, self.loaded)


def _title(case_id: str) -> str:
    """An id as a headline. Where a node id ends with its item's headline, pytest shows the headline's dots as `::`; the
    blank keeps `v1.2` from being shown so."""
    return f"{case_id} " if "." in case_id else case_id


def _items(parent: pytest.Collector, loaded: LoadedSuite) -> Iterator[pytest.Item]:
    """The cases in the order of the file, then the gate."""
    for case in loaded.suite.cases:
        yield CaseItem.from_parent(parent, name=case.id, loaded=loaded, case=case)
    if loaded.suite.gate is not None:
        yield GateItem.from_parent(parent, name=GATE, loaded=loaded, gate=loaded.suite.gate)


class CaseItem(pytest.Item):
    """One case. An error of the provider or of a check shows in its setup, a wrong answer in its call."""

    def __init__(self, *, loaded: LoadedSuite, case: Case, **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]  # pytest's own arguments, passed through from_parent
        self.loaded = loaded
        self.case = case
        self.result: CaseResult | None = None
        for tag in case.tags:
            self.config.addinivalue_line("markers", f"{tag}: a tag of prompt cases")
            self.add_marker(tag)

    def setup(self) -> None:
        """Wait for the case's result."""
        self.result = self._session.result_of(CaseKey(self.loaded.suite.key, self.case.id))
        self.user_properties += case_properties(self.nodeid, self.loaded.name, self.loaded.suite, self.result)
        if self.result.outcome == "skipped":
            pytest.skip(why_skipped(self.result))
        if self.result.outcome == "error":
            raise CaseProblemError(self.result)

    def runtest(self) -> None:
        """Fail if the case did."""
        if self.result is not None and self.result.outcome == "failed":
            raise CaseProblemError(self.result)

    def teardown(self) -> None:
        """Let go of the result: pytest keeps its items to the end."""
        self.result = None

    def repr_failure(  # type: ignore[override]  # pytest allows any object with toterminal here
        self, excinfo: pytest.ExceptionInfo[BaseException]
    ) -> str | TerminalRepr:
        """The case's page: its messages, the reply, and what differs."""
        if isinstance(excinfo.value, CaseProblemError):
            return CasePage(self.loaded.suite, excinfo.value.result)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int, str]:
        """The suite file, the case's line in it, and its id."""
        line = self.case.where.line or 1
        return self.path, line - 1, _title(self.case.id)

    @property
    def _session(self) -> PromptSession:
        return session_of(self.config)


class GateItem(pytest.Item):
    """The gate of a suite, judged on all of its cases."""

    def __init__(self, *, loaded: LoadedSuite, gate: GateSettings, **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]  # pytest's own arguments, passed through from_parent
        self.loaded = loaded
        self.gate = gate

    def runtest(self) -> None:
        """Fail if the suite does not reach its gate; skip if only some of its cases were run."""
        session = session_of(self.config)
        judged = session.judged(self.loaded)
        if isinstance(judged, str):
            pytest.skip(judged)
        self.user_properties += gate_properties(self.nodeid, self.loaded.name, judged.reasons)
        if not judged.passed:
            raise GateFailedError(judged.reasons)

    def repr_failure(  # type: ignore[override]  # pytest allows any object with toterminal here
        self, excinfo: pytest.ExceptionInfo[BaseException]
    ) -> str | TerminalRepr:
        """What the gate asked for and what was found."""
        if isinstance(excinfo.value, GateFailedError):
            return GatePage(self.loaded.suite, excinfo.value.reasons)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int, str]:
        """The suite file, and what is judged."""
        return self.path, 0, f"{GATE} of {self.loaded.name}"
