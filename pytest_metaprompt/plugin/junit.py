"""What JUnit XML tells of cases and gates: properties of each, and after a repair the truth of the files on disk."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pytest

from pytest_metaprompt.plugin.terminal import headline
from pytest_metaprompt.reports.json_report import run_usage
from pytest_metaprompt.results import CaseResult, Run
from pytest_metaprompt.stats import counts, stability
from pytest_metaprompt.suites import Suite

_PREFIX = "metaprompt."
_NODEID = f"{_PREFIX}nodeid"
_TROUBLE = {"failure": "failures", "error": "errors", "skipped": "skipped"}

Properties = list[tuple[str, object]]


def case_properties(nodeid: str, name: str, suite: Suite, result: CaseResult) -> Properties:
    """What is known of a case, as pytest's `record_property` would keep it."""
    passed, total = counts(result)
    used = run_usage(Run(suite, (result,)))
    told = _properties(
        suite=name,
        target=str(suite.target),
        outcome=result.outcome,
        score=f"{result.score:.3f}",
        attempts_passed=f"{passed}/{total}",
        stability=stability(result),
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        cached=used.cached,
        cost_usd=None if used.cost_usd is None else f"{used.cost_usd:.6f}",
    )
    return [(_NODEID, nodeid), *told]


@lru_cache(maxsize=1024)
def _properties(**told: str | int | None) -> tuple[tuple[str, object], ...]:
    """Remembered, because pytest keeps them with each of a case's reports, and those of most cases are alike."""
    return tuple((_PREFIX + key, value) for key, value in told.items() if value is not None)


def gate_properties(nodeid: str, name: str, reasons: Sequence[str]) -> Properties:
    """What a gate compared, a property for each line."""
    told = [("nodeid", nodeid), ("suite", name), *(("gate", reason) for reason in reasons)]
    return [(_PREFIX + key, value) for key, value in told]


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of an item after a repair: its properties, and why it is not passed now, if it is not.

    `result` is None for a gate; `gated` says that a gate judges the case.
    """

    properties: Properties
    result: CaseResult | None = None
    gated: bool = False
    reached: bool = True

    @property
    def trouble(self) -> ET.Element | None:
        """The element that tells why the item is not passed."""
        if self.result is None:
            reasons = "; ".join(str(value) for key, value in self.properties if key == f"{_PREFIX}gate")
            return None if self.reached else ET.Element("failure", message=_clean(reasons))
        if self.result.outcome in ("passed", "skipped"):
            return None
        if self.gated:
            return ET.Element("skipped", type="pytest.xfail", message="the gate judges the suite")
        tag = "error" if self.result.outcome == "error" else "failure"
        return ET.Element(tag, message=_clean(headline(self.result)))


class AfterRepair:
    """A plugin that corrects the XML file as soon as pytest has written it."""

    def __init__(self, path: Path, truths: Mapping[str, Truth], *, repaired: frozenset[str]) -> None:
        self._path = path
        self._truths = truths
        self._repaired = repaired

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Read the file, put right what the repair changed, and write it again."""
        if self._path.exists():
            text = corrected(self._path.read_text(encoding="utf-8"), self._truths, repaired=self._repaired)
            self._path.write_text(text, encoding="utf-8")


def corrected(text: str, truths: Mapping[str, Truth], *, repaired: frozenset[str]) -> str:
    """The XML with every known item as it is now, and the counts of its suites to match."""
    root = ET.fromstring(text)
    for suite in root.iter("testsuite"):
        for case in suite.iter("testcase"):
            nodeid = _nodeid_of(case)
            if nodeid in truths:
                _correct(case, truths[nodeid], repaired=nodeid in repaired)
        for tag, count in _TROUBLE.items():
            suite.set(count, str(sum(1 for _ in suite.iter(tag))))
    return '<?xml version="1.0" encoding="utf-8"?>' + ET.tostring(root, encoding="unicode")


def _correct(case: ET.Element, truth: Truth, *, repaired: bool) -> None:
    trouble = truth.trouble
    old = [child for child in case if child.tag in _TROUBLE]
    if trouble is None or not any(child.tag == trouble.tag for child in old):
        for child in old if truth.result is None or truth.result.outcome != "skipped" else ():
            case.remove(child)
        case.extend([] if trouble is None else [trouble])
    node = case.find("properties")
    if node is not None:
        told = {key for key, _ in truth.properties}
        for one in [one for one in node if one.get("name") in told]:
            node.remove(one)
        more = [*truth.properties, *([(f"{_PREFIX}repaired", "true")] if repaired else [])]
        node.extend(ET.Element("property", name=key, value=_clean(str(value))) for key, value in more)


def _nodeid_of(case: ET.Element) -> str:
    found = (one.get("value", "") for one in case.iter("property") if one.get("name") == _NODEID)
    return next(found, "")


def _clean(text: str) -> str:
    """The text without what XML cannot hold, made visible as pytest does it."""
    return "".join(_characters(text))


def _characters(text: str) -> Iterator[str]:
    for one in text:
        allowed = one in "\t\n\r" or " " <= one <= "~" or "\x80" <= one <= "\ud7ff" or "\ue000" <= one <= "\ufffd"
        yield one if allowed or one >= "\U00010000" else f"#x{ord(one):02X}"
