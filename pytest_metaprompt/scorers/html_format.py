"""`is-html` and `contains-html`: whether the reply is HTML, or has some in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser

from pytest_metaprompt.protocols import Scorer
from pytest_metaprompt.results import Attempt, Verdict
from pytest_metaprompt.scorers.excerpts import excerpt
from pytest_metaprompt.scorers.values import refuse_value
from pytest_metaprompt.scorers.verdicts import fails, holds, reply_of
from pytest_metaprompt.suites import Assertion

_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"]
)
_ELEMENTS = _VOID | frozenset(
    """
    a abbr address article aside audio b bdi bdo blockquote body button canvas caption cite code colgroup data datalist
    dd del details dfn dialog div dl dt em fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 head header html i
    iframe ins kbd label legend li main map mark math menu meter nav noscript object ol optgroup option output p picture
    pre progress q rp rt ruby s samp script search section select slot small span strong style sub summary sup svg table
    tbody td template textarea tfoot th thead time title tr u ul var video
    """.split()  # noqa: SIM905  # a list literal would take 110 lines
)
"""The elements of the HTML Living Standard, obsolete ones left out."""
_DEEPEST = 512  # as browsers have it


@dataclass(frozen=True, slots=True)
class IsHtml:
    """Holds if the reply is elements of HTML with no text outside of them."""

    async def score(self, attempt: Attempt) -> Verdict:
        """Parses the whole reply."""
        text = reply_of(attempt).text
        if text.lstrip().lower().startswith("<?xml"):
            return fails(f"expected HTML, got XML: {excerpt(text)}")
        reader = _read(text)
        if not reader.known:
            return fails(f"expected HTML, got {excerpt(text)}")
        if reader.outside:
            return fails(f"there is text outside the HTML elements: {excerpt(reader.outside)}")
        return holds("the reply is HTML")


@dataclass(frozen=True, slots=True)
class ContainsHtml:
    """Holds if an element of HTML, a doctype or a comment stands somewhere in the reply."""

    async def score(self, attempt: Attempt) -> Verdict:
        """Looks for the tags of HTML in the reply."""
        text = reply_of(attempt).text
        reader = _read(text)
        if reader.known or reader.declared:
            return holds("the reply contains HTML")
        return fails(f"expected HTML in the reply, got {excerpt(text)}")


def open_is_html(assertion: Assertion) -> Scorer:
    """The scorer of an `is-html`."""
    refuse_value(assertion)
    return IsHtml()


def open_contains_html(assertion: Assertion) -> Scorer:
    """The scorer of a `contains-html`."""
    refuse_value(assertion)
    return ContainsHtml()


class _Reader(HTMLParser):
    """Notes which elements there are, and the first text that stands in none."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.known = False
        self.declared = False
        self.outside = ""
        self._open: list[str] = []

    def parse_starttag(self, i: int) -> int:
        # Without a `>` there is no tag; the parser itself would read all of the rest to find out, for each `<` in it.
        return super().parse_starttag(i) if self.rawdata.find(">", i) >= 0 else -1

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.known = self.known or tag in _ELEMENTS or ("-" in tag and re.fullmatch(r"[a-z][\w.-]*", tag) is not None)
        if tag not in _VOID and len(self._open) < _DEEPEST:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            # What was not closed ends with what it stands in: <ul><li>one<li>two</ul>
            del self._open[len(self._open) - 1 - self._open[::-1].index(tag) :]

    def handle_data(self, data: str) -> None:
        if not self._open and data.strip():
            self.outside = self.outside or data.strip()

    def handle_decl(self, decl: str) -> None:
        self.declared = self.declared or decl.lower().startswith("doctype html")


def _read(text: str) -> _Reader:
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader
