"""One text in a YAML file: read it, replace it, and leave every other byte alone.

A text keeps its style where the new value allows it. A plain or quoted text that gets several lines becomes a literal
block, or double-quoted inside of `[]` and `{}`. Each way of writing is tried, read back, and taken only if the text is
the new one and everything else in the file reads as before.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from itertools import zip_longest

from pytest_metaprompt.embedded.escapes import Unit, respell
from pytest_metaprompt.embedded.yaml_tree import Found, Node, block_indent, dash_before, find, read_tree
from pytest_metaprompt.errors import RoutineError
from pytest_metaprompt.suites import Keys

_UNIT = re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)|.")
_ESCAPES = {"0": "\0", "a": "\a", "b": "\b", "t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", "e": "\x1b"}
_ESCAPES |= {"N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029"}
_NOT_VERBATIM = re.compile(r"[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_REST_OF_LINE = re.compile(r"[ \t]*(?:\n|\Z)")
_STEP = 2


def read_scalar(text: str, keys: Keys) -> str:
    """The text at the end of a way of keys; aliases and merges are followed.

    Raises:
        RoutineError: The file is no YAML, or there is no text.
    """
    tree = read_tree(text, until=str(keys[0]) if keys else None)
    return _checked(tree.resolve(find(tree, keys).node), keys).value


def replace_scalar(text: str, keys: Keys, new: str) -> str:
    """The file with one text replaced. Where it is an alias, what the alias repeats stays as it is.

    Raises:
        RoutineError: There is no text, it is repeated elsewhere in the file, or it cannot be written.
    """
    tree = read_tree(text)
    found = find(tree, keys)
    old = _checked(tree.resolve(found.node), keys)
    if old.value == new:
        return text
    if found.repeated or (found.node.anchor is not None and found.node.anchor in tree.aliases):
        raise RoutineError(
            f"the text at {shown(keys)} is repeated elsewhere in the file, by an alias",
            hint="write it out in each place",
        )
    node = found.node
    for written in _spellings(text, found, new):
        changed = text[: node.start] + written + text[node.end :]
        if _differs_only(text, changed, keys, new):
            return changed
    raise RoutineError(f"the new text cannot be written at {shown(keys)}")


def new_scalar(value: str, *, indent: int, in_flow: bool) -> str:
    """A text as a value of its own, in the simplest style that holds it; `indent` is where a block's lines begin."""
    lines = value.split("\n")
    neat = len(lines) > 1 and lines[0].strip() == lines[0] != "" and lines[-1].strip() and not lines[0].startswith("#")
    if neat and not in_flow and not _NOT_VERBATIM.search(value):
        return "|-\n" + _indented(lines, indent)
    return value if _is_plain(value) else quoted(value)


def respelled_item(text: str, model: Node, entries: Mapping[str, str]) -> str:
    """A mapping in braces with these texts, laid out as another one is, as far as that has just these keys."""
    own = {name.value: value for name, value in model.entries()} if model.kind == "mapping" and model.in_flow else {}
    if own.keys() != entries.keys() or any(value.kind != "scalar" for value in own.values()):
        return "{" + ", ".join(f"{key}: {_flow_scalar(value, '')}" for key, value in entries.items()) + "}"
    written = text[model.start : model.end]
    for key, value in sorted(own.items(), key=lambda pair: pair[1].start, reverse=True):
        spelled = _flow_scalar(entries[key], value.style)
        written = written[: value.start - model.start] + spelled + written[value.end - model.start :]
    return written


def _flow_scalar(value: str, style: str) -> str:
    if style == "'" and not _NOT_VERBATIM.search(value) and "\n" not in value:
        return "'" + value.replace("'", "''") + "'"
    return value if style == "" and _is_plain(value) else quoted(value)


def quoted(value: str) -> str:
    """A text in double quotes, on one line."""
    return '"' + _escaped(value) + '"'


def shown(keys: Keys) -> str:
    """A way of keys as messages show it."""
    return ".".join(map(str, keys)) or "the top"


def _checked(node: Node, keys: Keys) -> Node:
    if not node.is_text:
        raise RoutineError(f"{shown(keys)} must be a text", hint="put it in quotes" if node.kind == "scalar" else None)
    return node


def _spellings(text: str, found: Found, new: str) -> Iterator[str]:
    """Ways to write the text, the one nearest to the old style first."""
    node = found.node
    written = text[node.start : node.end]
    header = written.partition("\n")[0] if node.style in ("|", ">") else ""
    comment = header[_indicators(header) :]
    if node.style == ">":
        yield _block(text, found, _folded(written, new), header)
    blocks = node.style in ("|", ">") or ("\n" in new and not node.in_flow and _REST_OF_LINE.match(text, node.end))
    if blocks and not _NOT_VERBATIM.search(new):
        yield _block(text, found, new, "|" + header[1:] if header else "|")
    if "\n" not in new:
        if node.style == "" and _is_plain(new):
            yield new
        if node.style == "'" or (node.style == "" and ('"' in new or "\\" in new)):
            yield "'" + new.replace("'", "''") + "'"
    if node.style == '"' and "\n" not in written:
        yield '"' + respell(_units(written[1:-1]), new, _escaped) + '"'
    yield quoted(new) + comment


def _block(text: str, found: Found, content: str, header: str) -> str:
    """A block scalar with this content, under the old one's indentation and comment."""
    node = found.node
    outer = _outer_indent(text, found)
    indent = block_indent(text, node.start, node.end, node.value) if node.style in ("|", ">") else None
    indent = outer + _STEP if indent is None else indent
    end = content[len(content.rstrip("\n")) :]
    chomp = {"": "-", "\n": ""}.get(end, "+")
    lines = content.removesuffix("\n").split("\n")
    at = _indicators(header)
    needs_digit = content[:1] in (" ", "\n") or any(character.isdigit() for character in header[:at])
    digit = str(indent - max(outer, 0)) if needs_digit else ""
    return f"{header[0]}{digit}{chomp}{header[at:]}\n{_indented(lines, indent)}"


def _folded(written: str, new: str) -> str:
    """The lines of a folded block: those of old paragraphs as they were, new ones as wide as the old."""
    _, _, body = written.partition("\n")
    old: dict[str, list[str]] = {}
    widths = [0]
    for group in re.split(r"\n[ ]*(?=\n)", "\n" + textwrap.dedent(body)):
        lines = [line for line in group.split("\n") if line]
        old[" ".join(lines)] = lines
        widths += map(len, lines)
    said = new.rstrip("\n")
    pieces = re.split(r"(\n+)", said)
    # Between lines of a folded block one line end more is written than is meant.
    folded = ["\n".join(old.get(piece) or _wrapped(piece, max(widths))) for piece in pieces[::2]]
    gaps = [f"{piece}\n" for piece in pieces[1::2]]
    return "".join(part for pair in zip_longest(folded, gaps, fillvalue="") for part in pair) + new[len(said) :]


def _wrapped(line: str, width: int) -> list[str]:
    if not line or "  " in line or line != line.strip():
        return [line]
    return textwrap.wrap(line, max(width, 40), break_long_words=False, break_on_hyphens=False)


def _outer_indent(text: str, found: Found) -> int:
    """The column of the block that holds the text; -1 where nothing does."""
    holder = found.holder
    if holder is None:
        return -1
    if holder.kind == "mapping":
        return holder.children[0].column
    dash = dash_before(text, [found.node.start])[0]
    return dash - (text.rfind("\n", 0, dash) + 1)


def _indented(lines: list[str], indent: int) -> str:
    return "\n".join(" " * indent + line if line else "" for line in lines)


def _indicators(header: str) -> int:
    """How many characters of a block's header say how to read it."""
    match = re.match(r"[|>][-+0-9]*", header)
    return match.end() if match else 0


def _is_plain(value: str) -> bool:
    """Whether a text can stand without quotes, in a block and inside of brackets."""
    # A tab or a lone `=` without quotes is read by some readers, and refused by others.
    if (
        value in ("", "=")
        or "\n" in value
        or "\t" in value
        or _NOT_VERBATIM.search(value)
        or value.startswith(("---", "..."))
    ):
        return False
    return all(_reads_as(text, value) for text in (f"- {{k: {value}}}", f"- k: {value}\n"))


def _reads_as(text: str, value: str) -> bool:
    """Whether a list of one mapping has nothing in it but this plain text."""
    try:
        tree = read_tree(text)
        node = find(tree, (0, "k")).node
    except RoutineError:
        return False
    return node.is_text and not node.style and node.value == value and len(tree.documents[0].children[0].children) == 2


def _escaped(value: str) -> str:
    # JSON's escapes are YAML's, too; what both may show as it is stays readable.
    text = json.dumps(value, ensure_ascii=False)[1:-1]
    return _NOT_VERBATIM.sub(lambda match: _code(ord(match[0])), text)


def _code(point: int) -> str:
    return f"\\u{point:04X}" if point <= 0xFFFF else f"\\U{point:08X}"


def _units(source: str) -> list[Unit]:
    return [Unit(unit, _meaning(unit)) for unit in _UNIT.findall(source)]


def _meaning(unit: str) -> str:
    if not unit.startswith("\\"):
        return unit
    return chr(int(unit[2:], 16)) if unit[1] in "xuU" else _ESCAPES.get(unit[1], unit[1])


def _differs_only(old: str, new: str, keys: Keys, value: str) -> bool:
    """Whether the new file has this text at these keys, and all else as the old one has it."""
    try:
        before, after = read_tree(old), read_tree(new)
        target = find(before, keys).node
        same = len(before.documents) == len(after.documents)
        return same and all(map(_Comparison(target, value).same, before.documents, after.documents))
    except RoutineError:
        return False


class _Comparison:
    def __init__(self, target: Node, value: str) -> None:
        self.target = target
        self.value = value

    def same(self, a: Node, b: Node) -> bool:
        if a is self.target:
            return b.is_text and b.value == self.value and b.anchor == a.anchor and b.tag == a.tag
        alike = (a.kind, a.value, a.tag, a.anchor, a.style == "") == (b.kind, b.value, b.tag, b.anchor, b.style == "")
        return alike and len(a.children) == len(b.children) and all(map(self.same, a.children, b.children))
