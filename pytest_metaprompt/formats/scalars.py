"""What a scalar of YAML 1.2 means: the core schema, less the numbers that JSON cannot hold."""

from __future__ import annotations

import math
import re

Scalar = None | bool | int | float | str

_TAG = "tag:yaml.org,2002:"
_WORDS: dict[str, Scalar] = (
    dict.fromkeys(["", "~", "null", "Null", "NULL"])
    | dict.fromkeys(["true", "True", "TRUE"], True)
    | dict.fromkeys(["false", "False", "FALSE"], False)
)
_INTEGER = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_KINDS: dict[type, str] = {type(None): "null", bool: "bool", int: "int", float: "float", str: "str"}


def resolve(text: str) -> Scalar:
    """The value of a plain (unquoted) scalar.

    Raises:
        ValueError: It is a number that JSON cannot hold.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "-+.0123456789":
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _NOT_FINITE.fullmatch(text) or (_FLOAT.fullmatch(text) and math.isinf(float(text))):
        raise ValueError(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def resolve_tagged(tag: str, text: str) -> Scalar:
    """The value of a scalar with an explicit tag, such as `!!str 5`.

    Raises:
        LookupError: The tag is none of the core schema, or does not fit the text.
        ValueError: It is a number that JSON cannot hold.
    """
    kind = tag.removeprefix(_TAG)
    if kind == "str":
        return text
    value = resolve(text)
    if kind == "float" and type(value) is int:
        return float(value)
    if kind != _KINDS[type(value)]:
        raise LookupError(tag)
    return value


def short_tag(tag: str) -> str:
    """A tag as a user writes it: `!!binary`."""
    return tag.replace(_TAG, "!!")


def is_collection_tag(tag: str | None, *, kind: str) -> bool:
    """Whether a mapping (`map`) or list (`seq`) with this tag is a plain one."""
    return tag in (None, "!", _TAG + kind)
