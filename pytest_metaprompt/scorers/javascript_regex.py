"""JavaScript's regular expressions, as promptfoo suites hold them, in the words of Python's `re`.

By ECMAScript 2024, 22.2, without flags. Look-behind of variable width is the one thing that Python cannot do.
"""

from __future__ import annotations

import re

_NAME = re.compile(r"\(\?<(?P<name>[A-Za-z_$][\w$]*)>")
_BACK = re.compile(r"\\k<(?P<name>[A-Za-z_$][\w$]*)>")
_FLAGS = re.compile(r"\(\?[a-zA-Z-]+\)")
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
    position, in_class = 0, False
    while position < len(pattern):
        part, length = _next(pattern, position, in_class=in_class)
        if pattern[position] in "[]":
            in_class = pattern[position] == "[" if not in_class else pattern[position] != "]"
            in_class = in_class and not pattern.startswith(("[]", "[^]"), position)
        parts.append(part)
        position += length
    return "".join(parts)


def _next(pattern: str, position: int, *, in_class: bool) -> tuple[str, int]:
    """The next piece in Python's words, and how many characters of the pattern it stands for."""
    if pattern[position] == "\\":
        return _escape(pattern, position, in_class=in_class)
    if in_class:
        return ("\\" if pattern[position] == "[" else "") + pattern[position], 1
    if pattern.startswith("[^]", position):
        return r"[\s\S]", 3
    if pattern.startswith("[]", position):
        return "(?!)", 2
    if _FLAGS.match(pattern, position):
        raise re.error("Invalid group", pattern, position)
    named = _NAME.match(pattern, position)
    if named:
        return f"(?P<{named['name'].replace('$', '_')}>", len(named[0])
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
    # These mean something to Python alone.
    return (letter if letter and letter in "AZag" else "\\" + letter), 2
