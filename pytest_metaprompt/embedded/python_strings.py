"""A text constant of a Python module: read it without running the module, and replace it in the source.

The name is assigned once, at the top of the module or in a class: to a string, in any quotes and prefixes, in one piece
or several, alone or inside `textwrap.dedent(...)`. An f-string is refused, because its text is only known when it runs.
"""

from __future__ import annotations

import ast
import io
import re
import textwrap
import tokenize
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise

from pytest_metaprompt.embedded.escapes import Unit, alike, respell
from pytest_metaprompt.errors import RoutineError, did_you_mean

_LITERAL = re.compile(r"(?P<prefix>[A-Za-z]*)(?P<quotes>'''|\"\"\"|'|\")(?P<body>.*)(?P=quotes)", re.DOTALL)
_UNIT = re.compile(r"\\(?:\n|[0-7]{1,3}|x[0-9a-fA-F]{2}|N\{[^}]*\}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)|.", re.DOTALL)
_WORD = re.compile(r"\s+|\w+|[^\w\s]")
_NO_STRINGS = "a routine is a text in quotes, not one that the program makes up"


@dataclass(frozen=True, slots=True)
class _Constant:
    """Where the text stands in the source, and whether `dedent` takes its indentation away."""

    node: ast.Constant
    start: int
    end: int
    dedented: bool

    @property
    def value(self) -> str:
        written = str(self.node.value)
        return textwrap.dedent(written) if self.dedented else written


def read_constant(text: str, name: str) -> str:
    """The text of a constant.

    Raises:
        RoutineError: The module is no Python, or the name is no plain text in it.
    """
    return _find(text, name).value


def replace_constant(text: str, name: str, new: str) -> str:
    """The module with the text of one constant replaced, and every other byte as it was.

    Raises:
        RoutineError: The name is no plain text, or the new text cannot be written there.
    """
    found = _find(text, name)
    if new == found.value:
        return text
    written = _indented(str(found.node.value), new) if found.dedented else new
    for literal in _spellings(text[found.start : found.end], written):
        changed = text[: found.start] + literal + text[found.end :]
        if _differs_only(text, changed, name, new):
            return changed
    raise RoutineError(f"the new text cannot be written as the value of {name}")


def _parsed(text: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # An old escape of the user's is not ours to warn of.
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError) as error:
        line = f" on line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise RoutineError(f"not valid Python{line}: {getattr(error, 'msg', error)}") from None


def _find(text: str, name: str) -> _Constant:
    value = _assigned(_parsed(text), name)
    dedented = (
        isinstance(value, ast.Call) and _called(value) == "dedent" and len(value.args) == 1 and not value.keywords
    )
    if isinstance(value, ast.Call) and dedented:
        value = value.args[0]
    if isinstance(value, ast.JoinedStr):
        raise RoutineError(f"{name} is an f-string", hint="write {{name}} placeholders in a plain string in its place")
    if not isinstance(value, ast.Constant) or not isinstance(value.value, str):
        raise RoutineError(f"{name} is no text in quotes but {ast.unparse(value)[:60]!r}", hint=_NO_STRINGS)
    start = _offset(text, value.lineno, value.col_offset)
    end = _offset(text, value.end_lineno or value.lineno, value.end_col_offset or value.col_offset)
    return _Constant(value, start, end, dedented)


def _assigned(module: ast.Module, name: str) -> ast.expr:
    *classes, last = name.split(".")
    body: Sequence[ast.stmt] = module.body
    for one in classes:
        inner = [statement for statement in body if isinstance(statement, ast.ClassDef) and statement.name == one]
        if not inner:
            raise RoutineError(f"there is no class {one} for {name}")
        body = inner[-1].body
    found = [value for target, value in _assignments(body) if target == last]
    if not found:
        known = [target for target, _ in _assignments(body)]
        raise RoutineError(f"there is no {name}", hint=did_you_mean(last, known) if known else None)
    if len(found) > 1:
        raise RoutineError(f"{name} is assigned {len(found)} times", hint="assign it once")
    return found[0]


def _assignments(body: Sequence[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    for statement in body:
        if isinstance(statement, ast.Assign):
            yield from ((one.id, statement.value) for one in statement.targets if isinstance(one, ast.Name))
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
            yield statement.target.id, statement.value


def _called(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _offset(text: str, line: int, column: int) -> int:
    """The place of a position that `ast` counts in lines from 1 and bytes of UTF-8."""
    start = 0
    for _ in range(line - 1):
        start = text.index("\n", start) + 1
    end = text.find("\n", start)
    content = text[start : end if end != -1 else len(text)]
    return start + len(content.encode()[:column].decode())


def _indented(old: str, new: str) -> str:
    """The new text with the indentation that `dedent` took from the old one."""
    bare = textwrap.dedent(old)
    line, plain = next(
        (pair for pair in zip(old.split("\n"), bare.split("\n"), strict=True) if pair[1].strip()), ("", "")
    )
    prefix = line[: len(line) - len(plain)]
    margin = old[len(old.rstrip(" ")) :] if old.rstrip(" ").endswith("\n") else ""
    return textwrap.indent(new, prefix) + (margin if new.endswith("\n") else "")


def _spellings(written: str, new: str) -> Iterator[str]:
    """Ways to write the text: piece by piece as before, in the first piece's quotes, in Python's own."""
    literals = _literals(written)
    pieces = [match for match, _, _ in literals]
    texts = _shared([str(_evaluated(match[0])) for match in pieces], new)
    for raw in (True, False):
        spelled = written
        for (match, start, end), text in reversed([*zip(literals, texts, strict=True)]):
            if _evaluated(match[0]) != text:
                spelled = spelled[:start] + _respelled(match, text, keep_raw=raw) + spelled[end:]
        yield spelled
    yield repr(new)


def _literals(written: str) -> list[tuple[re.Match[str], int, int]]:
    """The string literals of an expression, with where they stand in it."""
    # In brackets, so that pieces on several lines are one expression.
    source = f"({written}\n)"
    starts = [0]
    for line in io.StringIO(source):
        starts.append(starts[-1] + len(line))
    found = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        match = _LITERAL.fullmatch(token.string) if token.type == tokenize.STRING else None
        if match is not None:
            ends = [starts[line - 1] + column - 1 for line, column in (token.start, token.end)]
            found.append((match, ends[0], ends[1]))
    return found


def _shared(old: Sequence[str], new: str) -> list[str]:
    """The new text, divided as the old one was where they are alike."""
    if len(old) == 1:
        return [new]
    joined = "".join(old)
    head = alike(joined, new)
    tail = alike(joined[head:][::-1], new[head:][::-1])
    moved = _moves(joined[head : len(joined) - tail], new[head : len(new) - tail])
    cuts = [0]
    for end in _lengths(old)[1:-1]:
        if end <= head:
            cuts.append(end)
        elif end >= len(joined) - tail:
            cuts.append(end + len(new) - len(joined))
        else:
            cuts.append(max(cuts[-1], head + moved(end - head)))
    return [new[start:stop] for start, stop in pairwise([*cuts, len(new)])]


def _moves(old: str, new: str) -> Callable[[int], int]:
    """From a place in the old text to the one in the new text that it corresponds to."""
    before, after = _WORD.findall(old), _WORD.findall(new)
    blocks = SequenceMatcher(None, before, after).get_matching_blocks()
    old_at, new_at = _lengths(before), _lengths(after)

    def moved(place: int) -> int:
        block = max((one for one in blocks if old_at[one.a] < place), key=lambda one: one.a, default=blocks[0])
        inside = min(place, old_at[block.a + block.size]) - old_at[block.a]
        return new_at[block.b] + max(inside, 0)

    return moved


def _lengths(pieces: Sequence[str]) -> list[int]:
    sums = [0]
    for piece in pieces:
        sums.append(sums[-1] + len(piece))
    return sums


def _respelled(match: re.Match[str], text: str, *, keep_raw: bool) -> str:
    prefix, quotes, body = match["prefix"], match["quotes"], match["body"]
    if "r" in prefix.lower():
        if keep_raw:
            return f"{prefix}{quotes}{text}{quotes}"
        return re.sub("[rR]", "", prefix) + quotes + _escaped(text, quotes) + quotes
    units = [Unit(source, _meaning(source)) for source in _UNIT.findall(body)]
    spelled = f"{prefix}{quotes}{respell(units, text, lambda part: _escaped(part, quotes))}{quotes}"
    return spelled if _means(spelled, text) else prefix + quotes + _escaped(text, quotes) + quotes


def _escaped(text: str, quotes: str) -> str:
    """A text as it stands between these quotes."""
    if len(quotes) == 1:
        text = text.replace("\\", "\\\\").replace("\n", "\\n").replace(quotes, "\\" + quotes)
    else:
        # Quotes alone may stay as they are, but not three in a row, nor at the end.
        body = text.rstrip(quotes[0])
        closing = ("\\" + quotes[0]) * (len(text) - len(body))
        text = body.replace("\\", "\\\\").replace(quotes, ("\\" + quotes[0]) * 3) + closing
    return "".join(_code(one) if not one.isprintable() and one not in "\n\t" else one for one in text)


def _code(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _meaning(source: str) -> str:
    return str(_evaluated(f'"""{source}"""')) if source[0] == "\\" else source


def _means(literal: str, text: str) -> bool:
    try:
        return _evaluated(literal) == text
    except (SyntaxError, ValueError):
        return False


def _evaluated(literal: str) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value: object = ast.literal_eval(literal)
    return value


def _differs_only(old: str, new: str, name: str, value: str) -> bool:
    """Whether the new module has this text under the name, and is else the same program."""
    try:
        if read_constant(new, name) != value:
            return False
        return _without(old, name) == _without(new, name)
    except RoutineError:
        return False


def _without(text: str, name: str) -> str:
    module = _parsed(text)
    value = _assigned(module, name)
    constant = value.args[0] if isinstance(value, ast.Call) else value
    if isinstance(constant, ast.Constant):
        constant.value = ""
    return ast.dump(module)
