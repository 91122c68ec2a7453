"""Routines that are lists of chat messages in JSON or YAML: at the top of the text, or under its key `messages`.

Each message is a mapping with a `role` and a `content` that is a text. What else it has, and everything else in the
text, is kept.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from pytest_metaprompt.embedded.json_strings import JsonNode, find_node, read_nodes, replace_string, respelled
from pytest_metaprompt.embedded.yaml_scalars import new_scalar, replace_scalar, respelled_item
from pytest_metaprompt.embedded.yaml_tree import Node, Tree, dash_before, find, read_tree
from pytest_metaprompt.errors import Place, RoutineError
from pytest_metaprompt.forms.parts import Part, Said, place_in
from pytest_metaprompt.suites import Form, Json, Keys

ROLES = ("system", "developer", "user", "assistant", "tool")
_HINT = "a message is {role: user, content: a text}"


def parse_messages(text: str, *, name: str, form: Form) -> tuple[Part, ...]:
    """The messages of the list in a text.

    Raises:
        RoutineError: There is no such list, or a message has no known role or no text.
    """
    try:
        parts = _parse_json(text, name) if form == "messages-json" else _parse_yaml(text, name)
    except RoutineError as error:
        raise RoutineError(error.message, where=error.where or Place(name), hint=error.hint) from None
    if not parts:
        raise RoutineError("no message", where=Place(name), hint=_HINT)
    return parts


def replace_message(text: str, index: int, new: str, *, form: Form) -> str:
    """The text with the content of one message replaced, and every other byte as it was."""
    if form == "messages-json":
        keys = () if read_nodes(text).kind == "list" else ("messages",)
        return replace_string(text, (*keys, index, "content"), new)
    return replace_scalar(text, (*_yaml_base(read_tree(text)), index, "content"), new)


def insert_messages(text: str, parts: Sequence[Part], at: int, said: Sequence[Said], *, form: Form) -> str:
    """The text with messages put before one of its messages, written as that one is."""
    if form == "messages-json":
        return _insert_json(text, at, said)
    return _insert_yaml(text, parts, at, said)


def _parse_json(text: str, name: str) -> tuple[Part, ...]:
    root = read_nodes(text)
    listed = root if root.kind == "list" else root.get("messages")
    if listed is None or listed.kind != "list":
        raise RoutineError("no list of messages", hint=_HINT)
    return tuple(_json_part(text, item, name) for item in listed.children)


def _json_part(text: str, item: JsonNode, name: str) -> Part:
    role, content = item.get("role"), item.get("content")
    if role is None or role.value.lower() not in ROLES or content is None or content.kind != "text":
        raise _no_message(name, text, item.start)
    value: dict[str, Json] = json.loads(text[item.start : item.end])
    return Part(role.value.lower(), content.value, item.start, content.start, content.end, _extra(value))


def _insert_json(text: str, at: int, said: Sequence[Said]) -> str:
    root = read_nodes(text)
    items = find_node(root, () if root.kind == "list" else ("messages",)).children
    item = items[at]
    before = items[at - 1].end if at else text.rindex("[", 0, item.start) + 1
    glue = text[before : item.start] if at else "," + (text[before : item.start] or " ")
    block = "".join(_json_message(text, item, role, words) + glue for role, words in said)
    return text[: item.start] + block + text[item.start :]


def _json_message(text: str, model: JsonNode, role: str, words: str) -> str:
    """A message laid out as another one is, as far as that has nothing but a role and a content."""
    named, content = model.get("role"), model.get("content")
    if named is None or content is None or len(model.children) != 4:
        return json.dumps({"role": role, "content": words}, ensure_ascii=False)
    written = text[model.start : model.end]
    for node, new in sorted([(named, role), (content, words)], key=lambda pair: pair[0].start, reverse=True):
        spelled = respelled(text[node.start : node.end], new)
        written = written[: node.start - model.start] + spelled + written[node.end - model.start :]
    return written


def _parse_yaml(text: str, name: str) -> tuple[Part, ...]:
    tree = read_tree(text)
    listed = tree.resolve(find(tree, _yaml_base(tree)).node)
    if listed.kind != "list":
        raise RoutineError("no list of messages", hint=_HINT)
    headers = [item.start for item in listed.children]
    if not listed.in_flow and headers:
        headers = dash_before(text, headers)
    return tuple(
        _yaml_part(text, tree, item, header, name) for item, header in zip(listed.children, headers, strict=True)
    )


def _yaml_base(tree: Tree) -> Keys:
    return ("messages",) if tree.documents[0].kind == "mapping" else ()


def _yaml_part(text: str, tree: Tree, item: Node, header: int, name: str) -> Part:
    message = tree.resolve(item)
    entries = {key.value: value for key, value in message.entries()} if message.kind == "mapping" else {}
    if "role" not in entries or "content" not in entries:
        raise _no_message(name, text, item.start)
    role, content = tree.resolve(entries["role"]).value.lower(), entries["content"]
    if role not in ROLES or not tree.resolve(content).is_text:
        raise _no_message(name, text, content.start)
    extra = _extra({key: _plain(tree, value) for key, value in entries.items()})
    return Part(role, tree.resolve(content).value, header, content.start, content.end, extra)


def _plain(tree: Tree, node: Node) -> Json:
    node = tree.resolve(node)
    if node.kind == "mapping":
        return {key.value: _plain(tree, value) for key, value in node.entries()}
    if node.kind == "list":
        return [_plain(tree, item) for item in node.children]
    return node.value if node.is_text else _resolved(node.value)


def _resolved(value: str) -> Json:
    import yaml

    loaded: Json = yaml.safe_load(value)
    return loaded


def _insert_yaml(text: str, parts: Sequence[Part], at: int, said: Sequence[Said]) -> str:
    tree = read_tree(text)
    items = find(tree, _yaml_base(tree)).node
    item, header = items.children[at], parts[at].header
    if items.in_flow:
        block = "".join(respelled_item(text, item, _message(role, words)) + ", " for role, words in said)
        return text[:header] + block + text[header:]
    column = header - (text.rfind("\n", 0, header) + 1)
    lead = text[header : item.start]
    lead = "- " if lead.strip() != "-" or "\n" in lead else lead
    inner = column + len(lead)
    block = "".join(lead + _yaml_message(text, item, role, words, inner) + "\n" + " " * column for role, words in said)
    return text[:header] + block + text[header:]


def _yaml_message(text: str, model: Node, role: str, words: str, indent: int) -> str:
    if model.in_flow:
        return respelled_item(text, model, _message(role, words))
    content = new_scalar(words, indent=indent + 2, in_flow=False)
    return f"role: {role}\n{' ' * indent}content: {content}"


def _message(role: str, words: str) -> dict[str, str]:
    return {"role": role, "content": words}


def _extra(message: dict[str, Json]) -> dict[str, Json]:
    return {key: value for key, value in message.items() if key not in ("role", "content")}


def _no_message(name: str, text: str, offset: int) -> RoutineError:
    hint = f"{_HINT}; roles: {', '.join(ROLES)}"
    return RoutineError("not a message with a role and a text", where=place_in(name, text, offset), hint=hint)
