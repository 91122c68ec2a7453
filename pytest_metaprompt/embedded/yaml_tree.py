"""YAML text as a tree that knows where each value stands, to the character."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import yaml

from pytest_metaprompt.errors import RoutineError
from pytest_metaprompt.suites import Keys

_LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
_MAX_DEPTH = 100
_BOM = "\ufeff"
_TEXT_TAG = "tag:yaml.org,2002:str"
_EQUALS_SIGN = "tag:yaml.org,2002:value"  # A tag of YAML 1.1 that only PyYAML knows.
_Valued = yaml.ScalarEvent | yaml.MappingStartEvent | yaml.SequenceStartEvent
_RESOLVER = yaml.resolver.Resolver()


@dataclass(frozen=True, slots=True)
class Node:
    """A value: `text[start:end]` is all of it but its anchor and tag. `value` is a scalar's text, or an alias's name.

    `style` is a scalar's quote or block indicator, empty for a plain one; `in_flow` says that it, or what it stands in,
    is written in `[]` or `{}`. A mapping's children are its keys and values in turn. A block scalar ends before the
    line end that closes it, and before blank lines that do not belong to its value.
    """

    kind: Literal["scalar", "list", "mapping", "alias"]
    start: int
    end: int
    column: int
    value: str = ""
    style: str = ""
    tag: str | None = None
    anchor: str | None = None
    in_flow: bool = False
    children: tuple[Node, ...] = ()

    @property
    def is_text(self) -> bool:
        """Whether every reader of YAML takes the value for a text."""
        if self.kind != "scalar":
            return False
        if self.tag is not None:
            return self.tag in (_TEXT_TAG, "!")
        resolved: str = _RESOLVER.resolve(yaml.ScalarNode, self.value, (True, False))  # type: ignore[no-untyped-call]  # no stub
        return self.style != "" or resolved in (_TEXT_TAG, _EQUALS_SIGN)

    def entries(self) -> Iterator[tuple[Node, Node]]:
        """The keys and values of a mapping."""
        return zip(self.children[::2], self.children[1::2], strict=True)


@dataclass(frozen=True, slots=True)
class Tree:
    """The documents of a YAML text, and what their anchors stand for."""

    documents: tuple[Node, ...]
    anchors: Mapping[str, Node]
    aliases: frozenset[str]

    def resolve(self, node: Node) -> Node:
        """What an alias repeats; any other value itself."""
        return self.anchors[node.value] if node.kind == "alias" else node


@dataclass(frozen=True, slots=True)
class Found:
    """A value, the list or mapping that holds it, and whether the way to it led through an alias or a merge."""

    node: Node
    holder: Node | None = None
    repeated: bool = False


def read_tree(text: str, *, until: str | None = None) -> Tree:
    """The tree of a YAML text; with `until` no further than the first entry of that key at its top, if there is one.

    Raises:
        RoutineError: It is no YAML, or nested too deep.
    """
    shift = 1 if text.startswith(_BOM) else 0
    builder = _Builder(text, shift)
    try:
        for event in yaml.parse(text[shift:], Loader=_LOADER):
            builder.take(event)
            if until is not None and builder.ended_with(until):
                builder.cut()
                break
    except (yaml.MarkedYAMLError, yaml.reader.ReaderError) as error:
        raise RoutineError(f"not valid YAML: {getattr(error, 'problem', None) or error}") from None
    if not builder.documents:
        raise RoutineError("the YAML is empty")
    return Tree(tuple(builder.documents), builder.anchors, frozenset(builder.aliases))


def find(tree: Tree, keys: Keys) -> Found:
    """The value at the end of a way through the first document.

    Raises:
        RoutineError: The way leads nowhere.
    """
    found = Found(tree.documents[0])
    for depth, key in enumerate(keys):
        holder = tree.resolve(found.node)
        repeated = found.repeated or holder is not found.node
        step = _step(tree, holder, key)
        if step is None:
            raise RoutineError(f"there is no {'.'.join(map(str, keys[: depth + 1]))} in it")
        found = Found(step.node, holder, repeated or step.repeated)
    return found


def dash_before(text: str, positions: Sequence[int]) -> list[int]:
    """For the start of each item of a block list, where its dash stands."""
    shift = 1 if text.startswith(_BOM) else 0
    tokens = yaml.scan(text[shift:], Loader=_LOADER)
    dashes = [token.start_mark.index + shift for token in tokens if isinstance(token, yaml.BlockEntryToken)]
    return [dashes[bisect_right(dashes, position) - 1] for position in positions]


def _step(tree: Tree, holder: Node, key: str | int) -> Found | None:
    if holder.kind == "list" and isinstance(key, int) and 0 <= key < len(holder.children):
        return Found(holder.children[key])
    if holder.kind != "mapping":
        return None
    own = [value for name, value in holder.entries() if name.kind == "scalar" and name.value == str(key)]
    if own:
        return Found(own[0])
    for name, value in holder.entries():
        if name.value == "<<" and name.style == "":
            merged = tree.resolve(value)
            for part in merged.children if merged.kind == "list" else (merged,):
                step = _step(tree, tree.resolve(part), key)
                if step is not None:
                    return Found(step.node, repeated=True)
    return None


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end was not met yet."""

    event: yaml.MappingStartEvent | yaml.SequenceStartEvent
    in_flow: bool
    children: list[Node] = field(default_factory=list)


class _Builder:
    def __init__(self, text: str, shift: int) -> None:
        self.documents: list[Node] = []
        self.anchors: dict[str, Node] = {}
        self.aliases: set[str] = set()
        self._text = text
        self._shift = shift
        self._open: list[_Open] = []

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            if len(self._open) == _MAX_DEPTH:
                raise RoutineError(f"nested more than {_MAX_DEPTH} levels deep")
            self._open.append(_Open(event, self._in_flow or bool(event.flow_style)))
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self._close(event)
        elif isinstance(event, yaml.ScalarEvent):
            self._add(self._scalar(event))
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in self.anchors:
                raise RoutineError(f"the alias *{event.anchor} repeats nothing above it")
            self.aliases.add(event.anchor)
            start, end = self._span(event)
            self._add(Node("alias", start, end, _column(event), event.anchor, in_flow=self._in_flow))

    def ended_with(self, key: str) -> bool:
        """Whether the entry of that key in the mapping at the top has just been read."""
        if len(self._open) != 1 or self.documents:
            return False
        (top,) = self._open
        is_whole = isinstance(top.event, yaml.MappingStartEvent) and len(top.children) % 2 == 0 and top.children
        return bool(is_whole) and top.children[-2].kind == "scalar" and top.children[-2].value == key

    def cut(self) -> None:
        """Take what was read of the mapping at the top for all of it."""
        top = self._open.pop()
        start = self._after_properties(top.event)
        self._add(Node("mapping", start, top.children[-1].end, _column(top.event), children=tuple(top.children)))

    def _close(self, end: yaml.MappingEndEvent | yaml.SequenceEndEvent) -> None:
        frame = self._open.pop()
        event = frame.event
        start = self._after_properties(event)
        _, stop = self._span(end)
        if not event.flow_style:  # The end of a block is only known when what follows it has begun.
            stop = frame.children[-1].end if frame.children else start
        kind: Literal["mapping", "list"] = "mapping" if isinstance(event, yaml.MappingStartEvent) else "list"
        self._add(
            Node(
                kind,
                start,
                stop,
                _column(event),
                tag=event.tag,
                anchor=event.anchor,
                in_flow=frame.in_flow,
                children=tuple(frame.children),
            )
        )

    def _scalar(self, event: yaml.ScalarEvent) -> Node:
        _, end = self._span(event)
        start = min(self._after_properties(event), end)
        style = event.style or ""
        if style in ("|", ">"):
            end = _block_end(self._text, start, end, event.value)
        return Node(
            "scalar",
            start,
            end,
            _column(event),
            event.value,
            style,
            None if any(event.implicit) else event.tag,
            event.anchor,
            self._in_flow,
        )

    def _after_properties(self, event: _Valued) -> int:
        """Where the value begins, behind its anchor and tag."""
        at, _ = self._span(event)
        left = (event.anchor is not None) + (event.tag is not None)
        while left and at < len(self._text):
            if self._text[at] in "&!":
                left -= 1
                while at < len(self._text) and not self._text[at].isspace():
                    at += 1
            at = _skip_blank(self._text, at)
        return at

    def _span(self, event: yaml.Event) -> tuple[int, int]:
        start, end = event.start_mark, event.end_mark
        return (start.index if start else 0) + self._shift, (end.index if end else 0) + self._shift

    @property
    def _in_flow(self) -> bool:
        return bool(self._open) and self._open[-1].in_flow

    def _add(self, node: Node) -> None:
        if node.anchor is not None:
            self.anchors[node.anchor] = node
        (self._open[-1].children if self._open else self.documents).append(node)


def block_indent(text: str, start: int, end: int, value: str) -> int | None:
    """How many spaces stand before the lines of a block scalar; None where no line tells."""
    raw = next((line for line in text[start:end].split("\n")[1:] if line.strip(" ")), None)
    said = next((line for line in value.split("\n") if line.strip(" ")), None)
    return None if raw is None or said is None else _leading(raw) - _leading(said)


def _block_end(text: str, start: int, end: int, value: str) -> int:
    header, *lines = text[start:end].split("\n")
    if "+" in header.partition("#")[0]:
        return end - 1 if text[end - 1] == "\n" else end
    indent = block_indent(text, start, end, value) or 0
    while lines and len(lines[-1]) <= indent and not lines[-1].strip(" "):
        lines.pop()
    return start + len("\n".join([header, *lines]))


def _column(event: yaml.Event) -> int:
    return event.start_mark.column if event.start_mark else 0


def _leading(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _skip_blank(text: str, at: int) -> int:
    """Past white space and comments."""
    while at < len(text):
        if text[at] == "#":
            at = text.find("\n", at) if "\n" in text[at:] else len(text)
        elif text[at].isspace():
            at += 1
        else:
            break
    return at
