"""One entry of a suite, or one row of a data set, becomes one case."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from pytest_metaprompt.errors import MetapromptError, Place, did_you_mean
from pytest_metaprompt.formats.assertions import read_assertion, read_expect, right_answer
from pytest_metaprompt.formats.conversations import ConversationReader
from pytest_metaprompt.formats.filling import Filling
from pytest_metaprompt.formats.marked import Marked
from pytest_metaprompt.formats.messages import read_messages
from pytest_metaprompt.formats.problems import Problems
from pytest_metaprompt.formats.slugs import slug_of
from pytest_metaprompt.suites import Assertion, Case, Json, Message, Split
from pytest_metaprompt.templates import as_text, placeholder_names

CheckAssertion = Callable[[Assertion], None]
"""Returns if an assertion can work, else raises a `MetapromptError`."""

_RESERVED_ID = "gate"
_SAID = ("input", "messages", "turns", "simulate")
_SPLITS: Mapping[str, Split] = {"train": "train", "holdout": "holdout"}


@dataclass(frozen=True, slots=True)
class Defaults:
    """What every case of a suite gets; its texts are still to be filled."""

    vars: Mapping[str, Json] = field(default_factory=dict)
    assertions: tuple[Marked, ...] = ()
    tags: tuple[Marked, ...] = ()
    conversations: ConversationReader | None = None


@dataclass(frozen=True, slots=True)
class CaseForm:
    """A case as it is written, still to be filled. `vars` are its own; `stem` begins its id where it has none."""

    entries: Mapping[str, Marked]
    key_lines: Mapping[str, int]
    vars: Mapping[str, Json]
    where: Place
    stem: str = "case"
    from_row: bool = False

    @property
    def has_id(self) -> bool:
        """Whether somebody gave the case an id: its suite, or a row's own column `id`."""
        own = self.vars.get("id") if self.from_row else None
        return "id" in self.entries or (isinstance(own, str | int) and own != "")

    def items(self, key: str) -> tuple[Marked, ...]:
        """The items of a list that may be absent."""
        return self.entries[key].items() if key in self.entries else ()


def read_case(form: CaseForm, defaults: Defaults, *, problems: Problems, check: CheckAssertion) -> Case:
    """The case; where something is wrong with it, as far as it could be read."""
    filling = Filling({**defaults.vars, **form.vars}, problems, form.where, shared=form.from_row)
    expect = _read_expect(form, filling)
    by_default = tuple(read_assertion(node, replace(filling, shared=True)) for node in defaults.assertions)
    own = tuple(read_assertion(node, filling) for node in form.items("assert"))
    assertions = (*by_default, *([expect] if expect else []), *own)
    reader = defaults.conversations
    simulation = reader.read(form.entries, form.key_lines, filling) if reader is not None else None
    said = filling.text(form.entries["input"]) if "input" in form.entries else None
    messages = read_messages(form.entries["messages"], filling) if "messages" in form.entries else ()
    case = Case(
        id=read_id(form, filling, said=said, messages=messages),
        where=form.where,
        vars=_values(form, filling, said),
        input=said,
        messages=messages,
        assertions=assertions,
        # A right reply to a whole conversation is no right reply to its first message.
        answer=right_answer(assertions, expect) if simulation is None else None,
        tags=_read_tags((*defaults.tags, *form.items("tags")), filling),
        split=_read_split(form, filling),
        protected="protected" in form.entries and form.entries["protected"].value is True,
        simulation=simulation,
    )
    written = [*defaults.assertions, *([form.entries["expect"]] if expect else []), *form.items("assert")]
    _check_assertions(case, written, form, check, problems)
    _check_case(case, form, problems)
    return case


def check_unique(read: Iterable[tuple[CaseForm, Case]], problems: Problems) -> tuple[Case, ...]:
    """The cases, of which no two have the same id; where two were given the same, that is noted.

    Rows that say the same are numbered: they cannot be told apart, so their order does not matter to their ids.
    """
    seen: dict[str, Case] = {}
    repeated: Counter[str] = Counter()
    unique: list[Case] = []
    for form, case in read:
        first = seen.setdefault(case.id, case)
        if first is not case and form.from_row and not form.has_id:
            repeated[case.id] += 1
            case = replace(case, id=f"{case.id}-{repeated[case.id] + 1}")
        elif first is not case and form.has_id:
            problems.add(case.where, f"the id {case.id!r} is given twice, first at {first.where}")
        elif first is not case:
            problems.add(case.where, f"identical cases at {_both(first.where, case.where)}: give them ids")
        unique.append(case)
    return tuple(unique)


def _values(form: CaseForm, filling: Filling, said: str | None) -> Mapping[str, Json]:
    """The vars of a case. Where a row has a column `input`, and its template says another input, that one counts."""
    hidden = form.from_row and said is not None and "input" in filling.values
    return {**filling.values, "input": said} if hidden else filling.values


def _read_expect(form: CaseForm, filling: Filling) -> Assertion | None:
    if "expect" not in form.entries:
        return None
    node = form.entries["expect"]
    expect = read_expect(node, form.key_lines["expect"], filling)
    if expect.value is None:
        message = f"{node.plain()} is null, so there is nothing to expect"
        filling.problems.add(form.where, message, hint="give the row an answer, or leave it out")
    return expect


def read_id(form: CaseForm, filling: Filling, *, said: str | None = None, messages: tuple[Message, ...] = ()) -> str:
    """The case's `id`, that of its row, or one made of the first words and a digest of what it says."""
    if "id" in form.entries:
        node = form.entries["id"]
        case_id = filling.text(node) if isinstance(node.value, str) else as_text(node.plain())
    elif form.has_id:
        case_id = as_text(form.vars["id"])
    else:
        return f"{slug_of(said, messages, form.vars) or form.stem}-{_digest(form)}"
    problem, hint = _id_problem(case_id)
    if problem:
        where = form.where if form.from_row else filling.problems.at(form.entries["id"].line)
        filling.problems.add(where, problem, hint=hint)
    return case_id


def _id_problem(case_id: str) -> tuple[str, str | None] | tuple[None, None]:
    if case_id == _RESERVED_ID:
        return f"the id {case_id!r} is reserved for the gate of the suite", "choose another"
    if not case_id:
        return "the id is empty", None
    # pytest takes a node id apart at '::'.
    if "::" in case_id or case_id != case_id.strip() or not case_id.isprintable():
        hint = "an id is one line, without '::' and outer spaces"
        return f"the id {case_id!r} cannot be part of a pytest node id", hint
    return None, None


def _digest(form: CaseForm) -> str:
    """What tells a case without an id apart: what it says, and not where it stands."""
    said = {key: form.entries[key].plain() for key in _SAID if key in form.entries}
    canonical = json.dumps({"of": form.stem, "vars": form.vars, **said}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:8]


def _read_tags(nodes: Iterable[Marked], filling: Filling) -> tuple[str, ...]:
    tags: dict[str, None] = {}
    for node in nodes:
        tag = filling.text(node)
        where = filling.problems.at(node.line)
        if not tag.strip():
            filling.problems.add(where, f"a tag is empty in the case at {filling.case}", once_for="empty tag")
        elif any(character.isspace() for character in tag):
            hint = f"write it as {'-'.join(tag.split())!r}"
            filling.problems.add(where, f"the tag {tag!r} holds white space", hint=hint)
        tags[tag] = None
    return tuple(tags)


def _read_split(form: CaseForm, filling: Filling) -> Split | None:
    if "split" not in form.entries:
        return None
    split = filling.text(form.entries["split"])
    if split not in _SPLITS:
        message = f"unknown split {split!r}{_columns(form.entries['split'], form)}"
        filling.problems.add(form.where, message, hint=did_you_mean(split, _SPLITS))
    return _SPLITS.get(split)


def _check_assertions(
    case: Case, written: Iterable[Marked], form: CaseForm, check: CheckAssertion, problems: Problems
) -> None:
    for assertion, node in zip(case.assertions, written, strict=True):
        try:
            check(assertion)
        except MetapromptError as error:
            row = f" in the case at {case.where}{_columns(node, form)}"
            message = f"{error.message}{row}" if form.from_row else error.message
            where = error.where or assertion.where or case.where
            problems.add(where, message, hint=error.hint, once_for=error.message)


def _columns(node: Marked, form: CaseForm) -> str:
    """Which columns of its row something is taken from, as the end of a sentence."""
    names = {name.partition(".")[0] for name in placeholder_names(json.dumps(node.plain()))}
    columns = [repr(name) for name in form.vars if name in names] if form.from_row else []
    return f", column {' and '.join(columns)}" if columns else ""


def _check_case(case: Case, form: CaseForm, problems: Problems) -> None:
    if not form.vars and not case.messages and case.input is None and case.simulation is None:
        hint = "give it input, messages or vars"
        problems.add(case.where, "nothing of this case reaches the model", hint=hint)
    if not case.assertions:
        is_inside_vars = "expect" in form.vars and not form.from_row
        hint = "expect stands under vars: indent it less" if is_inside_vars else "give it expect or assert"
        where = problems.at(form.key_lines["dataset"]) if form.from_row else case.where
        problems.add(where, "the case has no assertion, so it would always pass", hint=hint)


def _both(first: Place, second: Place) -> str:
    same_file = first.path == second.path
    return f"lines {first.line} and {second.line}" if same_file else f"{first} and {second}"
