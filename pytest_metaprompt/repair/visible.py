"""Characters that nobody sees, and texts in which they can be seen."""

from __future__ import annotations

import unicodedata

_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and marks that print as nothing."""


def is_invisible(character: str) -> bool:
    """Whether a character shows nothing, or changes how others are shown: controls, bidirectional and zero-width marks,
    tags, fillers, and the variation selectors that can carry text (not the two that emoji are written with)."""
    if character in "\n\t\ufe0e\ufe0f":
        return False
    return (
        unicodedata.category(character) in _UNSEEN
        or character in _BLANKS
        or "\ufe00" <= character <= "\ufe0d"
        or "\U000e0100" <= character <= "\U000e01ef"
    )


def visible(text: str) -> str:
    """The text with each invisible character written as its escape, such as `\\x1b`: for terminals and reports."""
    return "".join(_escaped(one) if is_invisible(one) else one for one in text)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
