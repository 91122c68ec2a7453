"""The prompts of a config: texts, files of many kinds, functions, programs, each with what it is known by."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from pytest_metaprompt.errors import MetapromptError, Place
from pytest_metaprompt.files import FILE_PREFIX, read_text
from pytest_metaprompt.formats.marked import Marked
from pytest_metaprompt.formats.promptfoo.document import Fields, fields_of
from pytest_metaprompt.formats.promptfoo.files import Folder, names_path
from pytest_metaprompt.formats.promptfoo.gathering import gathered
from pytest_metaprompt.formats.promptfoo.prompt_files import FilePrompt, read_prompt_file
from pytest_metaprompt.formats.promptfoo.prompt_forms import form_of
from pytest_metaprompt.python_files import split_reference
from pytest_metaprompt.suites import Json, JsonAt, Keys, Locator, RoutineRef, YamlAt

_SERVICES = ("portkey://", "langfuse://", "helicone://")
_SCRIPTS = (".js", ".cjs", ".mjs", ".ts", ".cts", ".mts")


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt and what it is known by. Its text is a routine, or comes from a function or a program."""

    label: str
    id: str | None = None
    routine: RoutineRef = field(default_factory=RoutineRef)
    function: str | None = None
    command: str | None = None
    config: Mapping[str, Json] = field(default_factory=dict)
    short: str = ""

    def matches(self, reference: str) -> bool:
        """Whether a filter names it: by its label or id, by a beginning with `*`, or by what stands before a colon."""
        names = [name for name in (self.label, self.id) if name is not None]
        if reference.endswith("*"):
            return any(name.startswith(reference[:-1]) for name in names)
        return any(name == reference or name.startswith(f"{reference}:") for name in names)


def read_prompts(top: Fields, folder: Folder) -> tuple[Prompt, ...]:
    """The prompts of a config; `{{prompt}}` where it names none.

    Raises:
        MetapromptError: One cannot be found or read, or is of a sort that is not supported.
    """
    if not top.has("prompts"):
        return (Prompt("{{prompt}}", routine=RoutineRef(inline="{{prompt}}", where=top.where, form="user")),)
    node = top.entries["prompts"]
    reader = _Reader(folder, top.where.path)
    if isinstance(node.value, dict):
        return tuple(prompt for path, label in node.value.items() for prompt in reader.named(path, label))
    if isinstance(node.value, tuple):
        return gathered(enumerate(node.value), lambda entry: reader.entry(entry[1], ("prompts", entry[0])))
    return tuple(reader.entry(node, ("prompts",)))


@dataclass(frozen=True, slots=True)
class _Reader:
    folder: Folder
    shown: str

    def named(self, path: str, label: Marked) -> Iterator[Prompt]:
        """Of the form `{path: label}`."""
        yield from self._written(path, None, Place(self.shown, label.line), label=label.text())

    def entry(self, node: Marked, keys: Keys) -> Iterator[Prompt]:
        """An entry of the list."""
        where = Place(self.shown, node.line)
        if isinstance(node.value, str):
            yield from self._written(node.value, keys, where)
            return
        fields = fields_of(node, self.shown, "a prompt")
        config, name = fields.mapping("config"), fields.text("id")
        label, raw = fields.text("label") or fields.text("display"), fields.text("raw") or ""
        prompts: Iterator[Prompt]
        if raw.startswith(("exec:", FILE_PREFIX)):
            prompts = self._written(raw, (*keys, "raw"), where, label=label)
            prompts = (replace(prompt, id=name or prompt.id) for prompt in prompts)
        elif fields.has("raw"):
            prompts = iter([self._inline(raw, (*keys, "raw"), where)])
            prompts = (replace(prompt, id=name, label=label or name or raw) for prompt in prompts)
        elif name is None:
            raise MetapromptError("a prompt needs an id or raw", where=where, hint="write  - raw: the text")
        else:
            prompts = self._written(name, (*keys, "id"), where, label=label)
        for prompt in prompts:
            yield replace(prompt, config={**prompt.config, **config}, short=label or prompt.short)

    def _written(self, text: str, keys: Keys | None, where: Place, *, label: str | None = None) -> Iterator[Prompt]:
        """A text that may be a path."""
        if not text.strip():
            raise MetapromptError("a prompt is empty", where=where)
        service = next((name for name in _SERVICES if text.startswith(name)), None)
        if service:
            raise MetapromptError(f"prompts from {service} are not supported", where=where, hint="put it into a file")
        if text.startswith("exec:"):
            command = text.removeprefix("exec:").strip()
            yield Prompt(label or text, routine=_code(command, where), command=command, short=label or command)
            return
        name, _, function = text.partition(":") if _is_function(text) else (text, "", "")
        if function or text.removeprefix(FILE_PREFIX).endswith((".py", *_SCRIPTS)):
            yield self._function(text.removeprefix(FILE_PREFIX), where, label)
            return
        paths = self.folder.glob(name.removeprefix(FILE_PREFIX)) if names_path(text) else ()
        for path in paths:
            for found in read_prompt_file(self.folder, path):
                yield _from_file(found, label)
        if paths:
            return
        if text.startswith(FILE_PREFIX) or (names_path(text) and not _reads_like_text(text)):
            message = f"there is no prompt file {text.removeprefix(FILE_PREFIX)!r}"
            raise MetapromptError(message, where=where, hint="write  raw: ...  for a text that looks like a path")
        yield replace(self._inline(text, keys, where), label=label or text, short=label or "")

    def _inline(self, text: str, keys: Keys | None, where: Place) -> Prompt:
        at: Locator | None = None
        if keys is not None:
            at = JsonAt(keys) if self.folder.config.suffix == ".json" else YamlAt(keys)
        routine = RoutineRef(path=self.folder.config if at else None, inline=text, where=where, at=at)
        return Prompt(text, routine=replace(routine, form=form_of(text)))

    def _function(self, text: str, where: Place, label: str | None) -> Prompt:
        found = split_reference(text, default="")
        if found is None:
            raise MetapromptError(
                f"the prompt function {text!r} is not Python", where=where, hint="write  file://prompt.py:function"
            )
        path = self.folder.find(found[0], what="the prompt file", where=where)
        routine, name = _code(read_text(path).text, where), label or text
        if found[1]:
            return Prompt(name, id=text, routine=routine, function=f"{path}:{found[1]}", short=name)
        command = f"{shlex.quote(sys.executable)} {shlex.quote(str(path))}"
        return Prompt(name, id=text, routine=routine, command=command, short=name)


def _code(text: str, where: Place) -> RoutineRef:
    """What makes the prompt, in place of its text: it cannot be rendered, nor written back."""
    return RoutineRef(inline=text, where=where, form="user")


def _from_file(found: FilePrompt, label: str | None) -> Prompt:
    title = found.label if label is None else f"{label}: {found.label}"
    return Prompt(title, id=found.name, routine=found.routine, short=label or found.short)


def _is_function(text: str) -> bool:
    return split_reference(text.removeprefix(FILE_PREFIX), default="") is not None or any(
        f"{ending}:" in text for ending in _SCRIPTS
    )


def _reads_like_text(text: str) -> bool:
    return "{{" in text or " " in text.strip() or any(character in text for character in "*?[")


def matching(prompts: tuple[Prompt, ...], references: tuple[str, ...] | None) -> tuple[Prompt, ...]:
    """The prompts that one of the references names; all without references."""
    if references is None:
        return prompts
    return tuple(prompt for prompt in prompts if any(prompt.matches(one) for one in references))
