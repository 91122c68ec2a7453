"""The filters of Nunjucks that differ from Jinja's, and `dump` and `load`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from jinja2 import Undefined

from pytest_metaprompt.js_values import as_number, js_json, js_number, js_text, js_truthy

_UNQUOTED = "!'()*-._~"
_ESCAPES = str.maketrans({"&": "&amp;", '"': "&quot;", "'": "&#39;", "<": "&lt;", ">": "&gt;", "`": "&#96;"})


def printed(value: object) -> str:
    """What `{{ value }}` prints: nothing for null and for what is not there."""
    return "" if value is None or isinstance(value, Undefined) else js_text(value)


def _default(value: Any, fallback: Any = "", boolean: bool = False) -> Any:
    missing = isinstance(value, Undefined)
    return fallback if missing or (boolean and not js_truthy(value)) else value


def _dump(value: Any, indent: int | None = None) -> str:
    return "" if isinstance(value, Undefined) else js_json(value, indent=indent)


def _load(value: Any) -> Any:
    return json.loads(printed(value))


def _first(value: Sequence[Any]) -> Any:
    return value[0] if value else None


def _last(value: Sequence[Any]) -> Any:
    return value[-1] if value else None


def _length(value: Any) -> int:
    return len(value) if isinstance(value, str | list | tuple | Mapping) else 0


def _join(value: Sequence[Any], by: str = "", attribute: str | None = None) -> str:
    items = value if attribute is None else [_attribute(item, attribute) for item in value]
    return by.join("" if item is None else js_text(item) for item in items)


def _attribute(item: Any, path: str) -> Any:
    for key in path.split("."):
        item = item.get(key) if isinstance(item, Mapping) else None
    return item


def _reverse(value: Any) -> Any:
    return value[::-1] if isinstance(value, str) else list(reversed(value))


def _replace(value: Any, old: Any, new: Any, most: int = -1) -> str:
    return printed(value).replace(printed(old), printed(new), most)


def _sort(value: Any, reverse: bool = False, case_sensitive: bool = False, attribute: str | None = None) -> list[Any]:
    def key(item: Any) -> Any:
        item = _attribute(item, attribute) if attribute else item
        return item.lower() if isinstance(item, str) and not case_sensitive else item

    return sorted(value, key=key, reverse=reverse)


def _round(value: Any, digits: int = 0, method: str | None = None) -> float:
    scaled = as_number(value) * 10**digits
    rounded = {"ceil": math.ceil, "floor": math.floor}.get(method or "", lambda number: math.floor(number + 0.5))(
        scaled
    )
    return js_number(rounded / 10**digits)


def _int(value: Any, fallback: Any = 0, base: int = 10) -> Any:
    number = as_number(value) if base == 10 else int(printed(value), base)
    return fallback if math.isnan(number) else int(number)


def _float(value: Any, fallback: Any = 0) -> Any:
    number = as_number(value)
    return fallback if math.isnan(number) else js_number(number)


def _truncate(value: Any, length: int = 255, kill_words: bool = False, end: str = "...") -> str:
    text = printed(value)
    if len(text) <= length:
        return text
    space = text.rfind(" ", 0, length + 1)
    return text[: length if kill_words or space == -1 else space] + end


def _indent(value: Any, width: int = 4, first: bool = False) -> str:
    lines = printed(value).split("\n")
    return "\n".join(" " * width + line if line and (first or at) else line for at, line in enumerate(lines))


def _urlencode(value: Any) -> str:
    if isinstance(value, str):
        return quote(value, safe=_UNQUOTED)
    pairs = value.items() if isinstance(value, Mapping) else value
    return "&".join(
        f"{quote(js_text(key), safe=_UNQUOTED)}={quote(js_text(item), safe=_UNQUOTED)}" for key, item in pairs
    )


def _groupby(value: Sequence[Any], attribute: str) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = {}
    for item in value:
        groups.setdefault(js_text(_attribute(item, attribute)), []).append(item)
    return groups


def _picked(*, wanted: bool, by_attribute: bool) -> Callable[..., list[Any]]:
    def pick(value: Sequence[Any], attribute: str = "") -> list[Any]:
        return [item for item in value if js_truthy(_attribute(item, attribute) if by_attribute else item) is wanted]

    return pick


def _title(value: Any) -> str:
    return " ".join(word.capitalize() for word in printed(value).split(" "))


FILTERS: dict[str, Callable[..., Any]] = {
    "capitalize": lambda value: printed(value).capitalize(),
    "d": _default,
    "default": _default,
    "dump": _dump,
    "e": lambda value: printed(value).translate(_ESCAPES),
    "escape": lambda value: printed(value).translate(_ESCAPES),
    "first": _first,
    "float": _float,
    "forceescape": lambda value: printed(value).translate(_ESCAPES),
    "groupby": _groupby,
    "indent": _indent,
    "int": _int,
    "join": _join,
    "last": _last,
    "length": _length,
    "list": lambda value: list(value.items()) if isinstance(value, Mapping) else list(value),
    "load": _load,
    "lower": lambda value: printed(value).lower(),
    "nl2br": lambda value: printed(value).replace("\n", "<br />\n"),
    "reject": _picked(wanted=False, by_attribute=False),
    "rejectattr": _picked(wanted=False, by_attribute=True),
    "replace": _replace,
    "reverse": _reverse,
    "round": _round,
    "safe": printed,
    "select": _picked(wanted=True, by_attribute=False),
    "selectattr": _picked(wanted=True, by_attribute=True),
    "sort": _sort,
    "string": js_text,
    "title": _title,
    "trim": lambda value: printed(value).strip(),
    "truncate": _truncate,
    "upper": lambda value: printed(value).upper(),
    "urlencode": _urlencode,
}
