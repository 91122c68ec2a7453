"""YAML 1.2 text as a tree that knows its lines.

Scalars follow the core schema of YAML 1.2: `Yes`, `no`, `on`, `off`, `2024-01-31` and `12:30` are texts, `012` is
twelve, `0o17` is fifteen. `<<` merges, as everywhere. What JSON cannot hold (`.inf`, other tags, endless aliases) and
what is surely a slip (a duplicate key) is a problem.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import yaml

from pytest_metaprompt.errors import MetapromptError, Place, SuiteFileError
from pytest_metaprompt.formats.scalars import Scalar, is_collection_tag, resolve, resolve_tagged, short_tag
from pytest_metaprompt.suites import Json

_LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
_NO_LINES: Mapping[str, int] = MappingProxyType({})
_MAX_DEPTH = 100
_TOO_DEEP = f"nested more than {_MAX_DEPTH} levels deep"
_MERGE = "<<"
_QUOTE_BRACES = 'put a text that begins with a brace or bracket in quotes, such as "{{name}}"'


@dataclass(frozen=True, slots=True)
class Marked:
    """A value and the line it starts on; in a mapping also the line of each key. Lines count from 1."""

    value: Scalar | tuple[Marked, ...] | dict[str, Marked]
    line: int
    key_lines: Mapping[str, int] = field(default_factory=lambda: _NO_LINES)

    def plain(self) -> Json:
        """The value without its lines: dicts, lists and scalars."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, tuple):
            return [child.plain() for child in self.value]
        return self.value

    def mapping(self) -> Mapping[str, Marked]:
        """The entries of what was checked to be a mapping."""
        if isinstance(self.value, dict):
            return self.value
        raise TypeError(f"line {self.line} holds no mapping")

    def items(self) -> tuple[Marked, ...]:
        """The items of what was checked to be a list."""
        if isinstance(self.value, tuple):
            return self.value
        raise TypeError(f"line {self.line} holds no list")

    def text(self) -> str:
        """The text of what was checked to be one."""
        if isinstance(self.value, str):
            return self.value
        raise TypeError(f"line {self.line} holds no text")

    def number(self) -> float:
        """The number of what was checked to be one."""
        if isinstance(self.value, int | float):
            return self.value
        raise TypeError(f"line {self.line} holds no number")


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML text that could be read. `problems` holds what is wrong with it all the same, such as duplicate keys."""

    root: Marked
    problems: tuple[MetapromptError, ...] = ()


def read_marked(text: str, path: str, *, finite: bool = True) -> Document:
    """The tree of a YAML text with one document; the root of an empty text is None.

    With `finite` off, `.inf` and `.nan` are numbers, too, and a number too long for one is a text.

    Raises:
        SuiteFileError: The text is no YAML, or cannot be a tree, so that there is nothing to go on with.
    """
    builder = _Builder(text, path, finite=finite)
    try:
        for event in _events(text, path):
            builder.take(event)
    except MetapromptError as fatal:
        raise SuiteFileError([*builder.problems, fatal]) from None
    return Document(builder.root, tuple(builder.problems))


def marked(value: Json, line: int) -> Marked:
    """A value as JSON has it as a tree in which everything stands on one line."""
    if isinstance(value, Mapping):
        return Marked({key: marked(child, line) for key, child in value.items()}, line, dict.fromkeys(value, line))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return Marked(tuple(marked(child, line) for child in value), line)
    return Marked(value, line)


def _events(text: str, path: str) -> Iterator[yaml.Event]:
    # Not PyYAML's nodes: they take seven times as long, and libyaml's composer crashes on deep nesting.
    try:
        yield from yaml.parse(text.removeprefix("\ufeff"), Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        raise _syntax_problem(error, text, path) from None
    except yaml.reader.ReaderError as error:
        where = Place(path, text.count("\n", 0, error.position) + 1)
        raise MetapromptError(f"not valid YAML: {error.reason}", where=where) from None


def _syntax_problem(error: yaml.MarkedYAMLError, text: str, path: str) -> MetapromptError:
    lines = text.split("\n")
    # What is missing at the end of a text is found missing behind its last line.
    line = min(error.problem_mark.line + 1 if error.problem_mark else 1, len(lines))
    message = error.problem or "it cannot be read"
    if "nesting depth" in message:  # libyaml's own limit, since 0.2.6, which is met before ours in flow style
        return MetapromptError(_TOO_DEEP, where=Place(path, line))
    if error.context:
        began = error.context_mark.line + 1 if error.context_mark else line
        since = f" that began on line {began}" if began != line else ""
        message = f"{error.context}{since}, {message}"
    hint = _syntax_hint(message, lines[line - 1])
    return MetapromptError(f"not valid YAML: {message}", where=Place(path, line), hint=hint)


def _syntax_hint(message: str, line: str) -> str | None:
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "the line is indented with a tab: use spaces"
    if "mapping values are not allowed" in message:
        return "check the indentation, and put a text that holds ': ' in quotes"
    if "cannot start any token" in message:
        return "put a text that begins with a special character in quotes"
    if "Unicode character escape" in message:
        return "write the character itself: YAML has no escapes in two halves, as JSON has"
    return None


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end is still to come. `size` counts what is in it, with all that its aliases repeat."""

    line: int
    anchor: str | None
    is_mapping: bool
    items: list[Marked] = field(default_factory=list)
    entries: dict[str, Marked] = field(default_factory=dict)
    key_lines: dict[str, int] = field(default_factory=dict)
    key: str | None = None
    merging: bool = False
    merges: list[Marked] = field(default_factory=list)
    size: int = 1

    @property
    def awaits_key(self) -> bool:
        return self.is_mapping and self.key is None

    def close(self) -> Marked:
        if not self.is_mapping:
            return Marked(tuple(self.items), self.line)
        if not self.merges:
            return Marked(self.entries, self.line, self.key_lines)
        entries: dict[str, Marked] = {}
        key_lines: dict[str, int] = {}
        for merged in reversed(self.merges):
            entries |= merged.mapping()
            key_lines |= merged.key_lines
        return Marked(entries | self.entries, self.line, key_lines | self.key_lines)


class _Builder:
    """Builds the tree from the parser's events, without recursion."""

    def __init__(self, text: str, path: str, *, finite: bool) -> None:
        self.root = Marked(None, 1)
        self.problems: list[MetapromptError] = []
        self._path = path
        self._finite = finite
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Marked, int]] = {}
        self._documents = 0
        # A value takes a character of the text, so only aliases that repeat aliases can make more values than this.
        self._max_size = 10 * len(text) + 10_000

    def take(self, event: yaml.Event) -> None:
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.ScalarEvent):
            self._take_scalar(event, line)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._take_start(event, line)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            frame = self._open.pop()
            self._add(frame.close(), frame.size, frame.anchor)
        elif isinstance(event, yaml.AliasEvent):
            self._take_alias(event.anchor or "", line)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise self._problem(line, "a second YAML document begins here", "keep one document in a file")

    def _take_scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        if self._awaits_key:
            self._take_key(event, line)
        else:
            self._add(Marked(self._scalar(event, line), line), 1, event.anchor)

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> Scalar:
        text, tag = event.value, event.tag
        plain, quoted = event.implicit
        try:
            if quoted or tag == "!":
                return text
            return resolve(text) if plain or tag is None else resolve_tagged(tag, text)
        except ValueError:
            if not self._finite:
                return float(text.replace(".", "")) if text.lower().endswith((".inf", ".nan")) else text
            shown = text if len(text) <= 40 else text[:37] + "..."
            self._report(line, f"{shown} is not a number that JSON can hold", "put it in quotes to make it a text")
        except LookupError:
            self._report_tag(tag, line)
        return text

    def _take_key(self, event: yaml.ScalarEvent, line: int) -> None:
        frame = self._open[-1]
        frame.key = key = event.value
        frame.merging = key == _MERGE and event.implicit[0]
        if key in frame.key_lines:
            self._report(line, f"the key {key!r} is given twice, first on line {frame.key_lines[key]}")
        elif not frame.merging:
            frame.key_lines[key] = line
        if event.anchor:
            self._anchors[event.anchor] = Marked(key, line), 1

    def _take_start(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent, line: int) -> None:
        if self._awaits_key:
            raise self._problem(line, "a key must be a text, not a mapping or a list", _QUOTE_BRACES)
        if len(self._open) == _MAX_DEPTH:
            raise self._problem(line, _TOO_DEEP)
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        if not is_collection_tag(event.tag, kind="map" if is_mapping else "seq"):
            self._report_tag(event.tag, line)
        if event.anchor:
            self._anchors.pop(event.anchor, None)
        self._open.append(_Open(line, event.anchor, is_mapping))

    def _take_alias(self, name: str, line: int) -> None:
        if self._awaits_key:
            raise self._problem(line, "a key must be a text, not an alias", "put a text that begins with * in quotes")
        if name in self._anchors:
            self._add(*self._anchors[name], None)
        elif any(frame.anchor == name for frame in self._open):
            raise self._problem(line, f"the alias *{name} stands inside what it repeats, so there is no end to it")
        else:
            hint = "put a text that begins with * in quotes"
            raise self._problem(line, f"the alias *{name} repeats nothing: there is no &{name} above", hint)

    @property
    def _awaits_key(self) -> bool:
        return bool(self._open) and self._open[-1].awaits_key

    def _add(self, node: Marked, size: int, anchor: str | None) -> None:
        if anchor:
            self._anchors[anchor] = node, size
        if not self._open:
            self.root = node
            return
        frame = self._open[-1]
        frame.size += size
        if frame.size > self._max_size:
            raise self._problem(frame.line, "its aliases repeat too much", "write the values out")
        if frame.key is None:
            frame.items.append(node)
        elif frame.merging:
            self._merge(frame, node)
        else:
            frame.entries.setdefault(frame.key, node)
        frame.key = None

    def _merge(self, frame: _Open, node: Marked) -> None:
        parts = node.value if isinstance(node.value, tuple) else (node,)
        if all(isinstance(part.value, dict) for part in parts):
            frame.merges.extend(parts)
        else:
            self._report(node.line, "<< must be followed by a mapping or a list of mappings")

    def _report_tag(self, tag: str | None, line: int) -> None:
        message = f"the tag {short_tag(tag or '')} does not fit here"
        self._report(line, message, "leave it out: only plain values are read")

    def _report(self, line: int, message: str, hint: str | None = None) -> None:
        self.problems.append(self._problem(line, message, hint))

    def _problem(self, line: int, message: str, hint: str | None = None) -> MetapromptError:
        return MetapromptError(message, where=Place(self._path, line), hint=hint)
