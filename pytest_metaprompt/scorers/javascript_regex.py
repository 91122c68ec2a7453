"""JavaScript's regular expressions, as promptfoo suites hold them, in the words of Python's `re`.

By ECMAScript 2024, 22.2, without flags. Look-behind of variable width is the one thing that Python cannot do.
"""

from __future__ import annotations

import re

_NAME = re.compile(r"\(\?<(?P<name>[A-Za-z_$][\w$]*)>")
_BACK = re.compile(r"\\k<(?P<name>[A-Za-z_$][\w$]*)>")
_NOT_THERE = {re.compile(r"\(\?(?:[a-zA-Z-]+\)|[>#P(])"): "Invalid group", re.compile(r"[*+?]\+"): "Nothing to repeat"}
_SHORTHAND = re.compile(r"\\[dDwWsS]")
_CONTROL = re.compile(r"\\c([A-Za-z])")
_MEANS = re.compile(r"\\(?:[bBdDfnrSstvwW]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4})")
_SPACE = r"\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_LINE_END = r"\n\r\u2028\u2029"


def compile_javascript(pattern: str) -> re.Pattern[str]:
    r"""The pattern with JavaScript's meaning: `$` is the very end, and `\d`, `\w` know ASCII only.

    Raises:
        re.error: It is not valid there, or Python cannot express it.
    """
    return re.compile(_translated(pattern), re.ASCII)


def _translated(pattern: str) -> str:
    parts: list[str] = []
    position, in_class, shorthand = 0, False, False
    while position < len(pattern):
        if in_class and pattern[position] == "-" and (shorthand or _is_shorthand(pattern, position + 1)):
            # No range can begin or end with `\w`; Python refuses it, and in JavaScript this is a hyphen.
            parts.append(r"\-")
            position, shorthand = position + 1, False
            continue
        part, length = _next(pattern, position, in_class=in_class)
        if pattern[position] in "[]":
            in_class = pattern[position] == "[" if not in_class else pattern[position] != "]"
            in_class = in_class and not pattern.startswith(("[]", "[^]"), position)
        parts.append(part)
        shorthand = _is_shorthand(pattern, position)
        position += length
    return "".join(parts)


def _is_shorthand(pattern: str, position: int) -> bool:
    """Whether a class of characters, such as `\\w`, stands there."""
    return _SHORTHAND.match(pattern, position) is not None


def _next(pattern: str, position: int, *, in_class: bool) -> tuple[str, int]:
    """The next piece in Python's words, and how many characters of the pattern it stands for."""
    if pattern[position] == "\\":
        return _escape(pattern, position, in_class=in_class)
    if in_class:
        # Of these Python says that they may come to mean something.
        return ("\\" if pattern[position] in "[&~|" else "") + pattern[position], 1
    if pattern.startswith("[^]", position):
        return r"[\s\S]", 3
    if pattern.startswith("[]", position):
        return "(?!)", 2
    for python, why in _NOT_THERE.items():
        if python.match(pattern, position):
            raise re.error(why, pattern, position)
    named = _NAME.match(pattern, position)
    if named:
        return f"(?P<{named['name'].replace('$', '_')}>", len(named[0])
    if pattern.startswith("{,", position):
        return r"\{", 1
    return {"$": r"\Z", ".": f"[^{_LINE_END}]"}.get(pattern[position], pattern[position]), 1


def _escape(pattern: str, position: int, *, in_class: bool) -> tuple[str, int]:
    back = _BACK.match(pattern, position)
    if back and not in_class:
        return f"(?P={back['name'].replace('$', '_')})", len(back[0])
    letter = pattern[position + 1 : position + 2]
    if letter == "s":
        return (_SPACE if in_class else f"[{_SPACE}]"), 2
    if letter == "S" and not in_class:
        return f"[^{_SPACE}]", 2
    control = _CONTROL.match(pattern, position)
    if control:
        return f"\\x{ord(control[1]) % 32:02x}", 3
    # Without a meaning of its own, an escaped letter is that letter; some mean something to Python alone.
    plain = letter.isascii() and letter.isalpha() and not _MEANS.match(pattern, position)
    return (letter if plain else "\\" + letter), 2
