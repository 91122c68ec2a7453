"""What JavaScript's texts, lists, mappings and numbers have: `.length`, items by index, and the common methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pytest_metaprompt.js_values import js_same, js_text

_OF_TEXT: dict[str, Callable[..., Any]] = {
    "toUpperCase": lambda text: text.upper(),
    "toLowerCase": lambda text: text.lower(),
    "trim": lambda text: text.strip(),
    "trimStart": lambda text: text.lstrip(),
    "trimEnd": lambda text: text.rstrip(),
    "toString": lambda text: text,
    "split": lambda text, by=None, *_: [text] if by is None else list(text) if by == "" else text.split(by),
    "includes": lambda text, part: js_text(part) in text,
    "startsWith": lambda text, part: text.startswith(js_text(part)),
    "endsWith": lambda text, part: text.endswith(js_text(part)),
    "indexOf": lambda text, part: text.find(js_text(part)),
    "replace": lambda text, old, new: text.replace(js_text(old), js_text(new), 1),
    "replaceAll": lambda text, old, new: text.replace(js_text(old), js_text(new)),
    "slice": lambda text, start=0, end=None: text[start:end],
    "substring": lambda text, start=0, end=None: text[max(start, 0) : None if end is None else max(end, 0)],
    "concat": lambda text, *more: text + "".join(map(js_text, more)),
    "repeat": lambda text, times: text * min(int(times), 10_000),
    "charAt": lambda text, index=0: text[index : index + 1],
}
_OF_LIST: dict[str, Callable[..., Any]] = {
    "join": lambda items, by=",": js_text(by).join("" if item is None else js_text(item) for item in items),
    "includes": lambda items, item: any(js_same(item, other) for other in items),
    "indexOf": lambda items, item: next((at for at, other in enumerate(items) if js_same(item, other)), -1),
    "slice": lambda items, start=0, end=None: list(items[start:end]),
    "concat": lambda items, *more: [*items, *(item for part in more for item in _as_list(part))],
    "toString": lambda items: js_text(items),
}
_OF_NUMBER: dict[str, Callable[..., Any]] = {
    "toFixed": lambda number, digits=0: f"{number:.{digits}f}",
    "toString": lambda number: js_text(number),
}


def member(value: Any, key: Any) -> Any:
    """`value.key` or `value[key]`; None where there is nothing."""
    if isinstance(value, Mapping):
        return value.get(key if isinstance(key, str) else js_text(key))
    if isinstance(value, str | list | tuple) and isinstance(key, int) and not isinstance(key, bool):
        return value[key] if 0 <= key < len(value) else None
    if isinstance(value, str | list | tuple) and key == "length":
        return len(value.encode("utf-16-le")) // 2 if isinstance(value, str) else len(value)
    methods = _OF_TEXT if isinstance(value, str) else _OF_LIST if isinstance(value, list | tuple) else _OF_NUMBER
    method = methods.get(key) if isinstance(key, str) and value is not None else None
    return None if method is None else lambda *arguments: method(value, *arguments)


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
