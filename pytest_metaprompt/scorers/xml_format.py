"""`is-xml` and `contains-xml`: well-formed XML, with the elements that must be in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from xml.parsers import expat

from pytest_metaprompt.protocols import Scorer
from pytest_metaprompt.results import Attempt, Verdict
from pytest_metaprompt.scorers.excerpts import excerpt, few
from pytest_metaprompt.scorers.values import problem, read_text_values
from pytest_metaprompt.scorers.verdicts import fails, holds, reply_of
from pytest_metaprompt.suites import Assertion

_OPENING = re.compile(rb"<[A-Za-z_\x80-\xff][\w.:\x80-\xff-]*")
_DEEPEST = 100
_PIECE = 1024


class _NotXmlError(ValueError):
    """The text is not XML; the message says why."""


@dataclass(frozen=True, slots=True)
class IsXml:
    """Holds if the whole reply is one XML element and the required paths, such as `a.b`, are in it."""

    required: tuple[str, ...]

    async def score(self, attempt: Attempt) -> Verdict:
        """Parses the whole reply."""
        text = reply_of(attempt).text
        try:
            found = _Reader().read(text.strip())
        except _NotXmlError as error:
            return fails(f"expected XML: {error}, got {excerpt(text)}")
        missing = [path for path in self.required if path not in found]
        return fails(f"the XML lacks {few(missing, between=', ')}") if missing else holds("the reply is XML")


@dataclass(frozen=True, slots=True)
class ContainsXml:
    """Holds if an XML element with the required paths stands somewhere in the reply."""

    required: tuple[str, ...]

    async def score(self, attempt: Attempt) -> Verdict:
        """Parses every element that begins in the reply."""
        text = reply_of(attempt).text
        missing: list[str] | None = None
        for found in _elements(text):
            missing = [path for path in self.required if path not in found]
            if not missing:
                return holds("the reply contains XML")
        if missing is None:
            return fails(f"expected XML in the reply, got {excerpt(text)}")
        return fails(f"the XML in the reply lacks {few(missing, between=', ')}")


def open_is_xml(assertion: Assertion) -> Scorer:
    """The scorer of an `is-xml`."""
    return IsXml(_required(assertion))


def open_contains_xml(assertion: Assertion) -> Scorer:
    """The scorer of a `contains-xml`."""
    return ContainsXml(_required(assertion))


def _required(assertion: Assertion) -> tuple[str, ...]:
    value = assertion.value
    if isinstance(value, Mapping):
        if value.keys() != {"requiredElements"}:
            hint = "write  value: {requiredElements: [a.b]}, or the list alone"
            raise problem(assertion, "value must be a list of element paths", hint=hint)
        value = value["requiredElements"]
    return () if value is None else read_text_values(replace(assertion, value=value))


class _Reader:
    """Reads one element and notes the path of every element in it."""

    def __init__(self) -> None:
        self.ended_at: int | None = None
        self._open: list[str] = []
        self._paths: set[str] = set()
        # Names keep their prefix: a model's XML seldom declares namespaces. The encoding is ours, whatever it declares.
        self._parser = expat.ParserCreate("utf-8")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.EntityDeclHandler = self._refuse

    def read(self, text: str) -> set[str]:
        """The paths of all elements.

        Raises:
            _NotXmlError: The text is not one well-formed element, or declares entities, which may grow without end.
        """
        try:
            self._parser.Parse(text.encode("utf-8", "replace"), True)
        except expat.ExpatError as error:
            raise _NotXmlError(f"{expat.ErrorString(error.code)} at line {error.lineno}") from None
        return self._paths

    def read_first(self, data: memoryview) -> set[str] | None:
        """The paths of the element that the data begins with; None if that is not well-formed."""
        at, size = 0, _PIECE
        # Piece by piece, so that what stands behind a short element is not looked at for each of them.
        while self.ended_at is None and at < len(data):
            try:
                self._parser.Parse(data[at : at + size], at + size >= len(data))
            except (expat.ExpatError, _NotXmlError):
                break
            at, size = at + size, 2 * size
        return None if self.ended_at is None else self._paths

    def _start(self, name: str, attributes: object) -> None:
        self._open.append(name)
        if len(self._open) > _DEEPEST:
            raise _NotXmlError(f"it is nested more than {_DEEPEST} levels deep")
        self._paths.add(".".join(self._open))

    def _end(self, name: str) -> None:
        self._open.pop()
        if not self._open:
            self.ended_at = self._parser.CurrentByteIndex

    def _refuse(self, *declaration: object) -> None:
        raise _NotXmlError("it declares entities")


def _elements(text: str) -> Iterator[set[str]]:
    """The paths of each element in the text that does not stand in another one that is well-formed."""
    data = memoryview(text.encode("utf-8", "replace"))
    position = 0
    while opening := _OPENING.search(data, position):
        reader = _Reader()
        paths = reader.read_first(data[opening.start() :])
        if paths is None:
            position = opening.end()
            continue
        yield paths
        position = opening.start() + max(1, reader.ended_at or 0)
