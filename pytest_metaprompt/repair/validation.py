"""What a proposal must satisfy before any call is made for it. Pure functions over the old and the new routine."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from pytest_metaprompt.errors import FileAccessError, RoutineError
from pytest_metaprompt.files import encode_like
from pytest_metaprompt.repair.copies import copied, copied_input
from pytest_metaprompt.repair.showing import instructions, shown_turn, spoken
from pytest_metaprompt.repair.tool_words import tool_words, words_of_tools
from pytest_metaprompt.repair.visible import is_invisible
from pytest_metaprompt.repair.writing import home_trouble
from pytest_metaprompt.results import Proposal, Subject
from pytest_metaprompt.routines import Routine, Turn, parse_routine
from pytest_metaprompt.runner import messages_for

MOST_TURNS = 32
"""More worked examples than this are no routine any more."""

_SHRUNK = 0.5
_NUMBER = re.compile(r"(?<![\w.])\d+(?:[.,]\d+)*(?![\w])")
_LIST_MARK = re.compile(r"^\s*\d+[.)]\s", re.MULTILINE)
_OPENING = re.compile(r"\{[{%#]")
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*$", re.MULTILINE)
_URL = re.compile(r"(?:https?://|www\.)[^\s)>\]\"']+", re.IGNORECASE)
_CHATTER = re.compile(
    r"\A\W*(?:(?:certainly|sure|of course|absolutely)\s*[!,.:]"
    r"|(?:here(?:'s| is| are)|below is|this is|i(?:'ve| have)|the)\b[^\n]{0,60}"
    r"\b(?:updated|improved|revised|rewritten|new|patched)\b[^\n]{0,60}\b(?:prompt|routine|version|instructions)\b)",
    re.IGNORECASE,
)
_FAREWELL = re.compile(r"(?:let me know if|feel free to|i hope this helps)[^\n]{0,120}\Z", re.IGNORECASE)


class RefusedError(RoutineError):
    """The proposal is refused; the message is the reason, for the user and for the meta model."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a proposal is held against. `seen` holds every text that was tried, `squeezed`."""

    old: Routine
    editable: frozenset[str]
    subjects: Sequence[Subject]
    seen: frozenset[str] = frozenset()
    tools: frozenset[str] = frozenset()
    max_length: int | None = None


def validate(proposal: Proposal, terms: Terms) -> Routine:
    """The proposal as a routine, if it may be measured at all.

    Raises:
        RefusedError: It may not; no call was made for it.
    """
    if proposal.flaw is not None:
        raise RefusedError(proposal.flaw)
    try:
        new = parse_routine(proposal.text, name=terms.old.name, form=terms.old.form)
    except RoutineError as error:
        raise RefusedError(f"is not a routine: {error}") from None
    for check in _CHECKS:
        check(new, proposal, terms)
    return new


def squeezed(text: str) -> str:
    """The text with its white space made even: two texts that differ in nothing else are the same proposal."""
    return " ".join(text.split())


def _check_seen(new: Routine, proposal: Proposal, terms: Terms) -> None:
    if new.text == terms.old.text:
        raise RefusedError("changes nothing")
    if squeezed(new.text) in terms.seen:
        raise RefusedError("was tried before")


def _check_placeholders(new: Routine, proposal: Proposal, terms: Terms) -> None:
    before, after = terms.old.placeholders, new.placeholders
    if before != after:
        lost, gained = before - after, after - before
        raise RefusedError("; ".join([*_placeholder_notes("drops", lost), *_placeholder_notes("adds", gained)]))
    changed = (terms.old.tags - new.tags) + (new.tags - terms.old.tags)
    if changed:
        raise RefusedError(f"drops or adds the template code {min(changed)}")
    if any(subject.suite.column is not None for subject in terms.subjects):
        # For promptfoo a text that leaves one of these open is no template: its placeholders would stay as they are.
        added = Counter(_OPENING.findall(spoken(new))) - Counter(_OPENING.findall(spoken(terms.old)))
        if added:
            raise RefusedError(f"opens the template code {min(added)}")


def _placeholder_notes(verb: str, names: Counter[str]) -> Iterator[str]:
    if names:
        yield f"{verb} the placeholder {', '.join(f'{{{{{name}}}}}' for name in sorted(names))}"


def _check_frozen(new: Routine, proposal: Proposal, terms: Terms) -> None:
    for kind in ("system", "user", "examples"):
        if kind not in terms.editable and _texts(new, kind) != _texts(terms.old, kind):
            raise RefusedError(f"changes the {kind} part, which is frozen (fix.edit: {sorted(terms.editable)})")
    if _skeleton(new) != _skeleton(terms.old):
        raise RefusedError("changes which messages the routine has")
    if _unpaired(new) > _unpaired(terms.old):
        raise RefusedError("holds a message that is no part of a worked example")
    if new.frame != terms.old.frame:
        what = "the frontmatter" if terms.old.form == "chat" else "what stands around the messages"
        raise RefusedError(f"changes {what}, which is frozen")


def _skeleton(routine: Routine) -> list[str]:
    return [part.role for index, part in enumerate(routine.parts) if routine.kind(index) != "examples"]


def _unpaired(routine: Routine) -> int:
    return len(_texts(routine, "examples")) - 2 * len(routine.turns)


def _texts(routine: Routine, kind: str) -> list[str]:
    return [part.text for index, part in enumerate(routine.parts) if routine.kind(index) == kind]


def _check_renders(new: Routine, proposal: Proposal, terms: Terms) -> None:
    for subject in terms.subjects:
        problem = _render_problem(new, subject)
        # A Python test that makes no call has nothing to put into a routine, neither the old nor the new one.
        if problem is not None and _render_problem(terms.old, subject) is None:
            raise RefusedError(f"does not render for {subject.key!r}: {problem}")


def _render_problem(routine: Routine, subject: Subject) -> str | None:
    try:
        messages_for(subject.suite, subject.case, routine)
    except RoutineError as error:
        return error.message
    return None


def _check_length(new: Routine, proposal: Proposal, terms: Terms) -> None:
    before, after = len(instructions(terms.old)), len(instructions(new))
    most = most_characters(before, max_length=terms.max_length)
    if after > most:
        raise RefusedError(f"grows to {after} characters; at most {most} are allowed")
    if after < _SHRUNK * before:
        raise RefusedError(f"shrinks from {before} to {after} characters")
    if len(new.turns) > MOST_TURNS:
        raise RefusedError(f"holds {len(new.turns)} examples; at most {MOST_TURNS} are allowed")


def most_characters(before: int, *, max_length: int | None) -> int:
    """How long the instructions may become: what the suite says, else a quarter or 600 characters more than before."""
    return max_length or max(int(1.25 * before), before + 600)


def _check_losses(new: Routine, proposal: Proposal, terms: Terms) -> None:
    old_text, new_text = instructions(terms.old), instructions(new)
    finders: tuple[tuple[str, Callable[[str], set[str]]], ...] = (
        ("heading", lambda text: set(_HEADING.findall(text))),
        ("tool name", lambda text: {name for name in terms.tools if re.search(rf"\b{re.escape(name)}\b", text)}),
        ("number", lambda text: set(_NUMBER.findall(_LIST_MARK.sub("", text)))),
    )
    for what, find in finders:
        lost = sorted(find(old_text) - find(new_text))
        if lost:
            raise RefusedError(f"loses the {what} {', '.join(map(repr, lost))}")


def _check_manners(new: Routine, proposal: Proposal, terms: Terms) -> None:
    old_parts = {part.text for part in terms.old.parts}
    for part in new.parts:
        if part.text in old_parts:
            continue
        if _CHATTER.search(part.text) or _FAREWELL.search(part.text):
            raise RefusedError("holds chatter around the routine")
        if part.text.count("```") % 2 or (part.text.startswith("```") and part.text.endswith("```")):
            raise RefusedError("holds a stray code fence")


def _check_characters(new: Routine, proposal: Proposal, terms: Terms) -> None:
    more = Counter(spoken(new)) - Counter(spoken(terms.old))
    for character in sorted(more):
        if is_invisible(character):
            raise RefusedError(f"holds an invisible character, U+{ord(character):04X}")
    gained = set(_URL.findall(_written(new, proposal, terms))) - set(_URL.findall(spoken(terms.old)))
    if gained:
        raise RefusedError(f"adds the address {min(gained)}")


def _check_tools(new: Routine, proposal: Proposal, terms: Terms) -> None:
    if not terms.tools:
        return
    targets = {id(subject.suite): subject.suite.target for subject in terms.subjects}.values()
    defined = [target.params.get("tools") for target in targets if target is not None]
    known = {*terms.tools, *new.placeholders, *tool_words(spoken(terms.old), tools=terms.tools)}
    known |= words_of_tools(defined, tools=terms.tools)
    unknown = sorted(tool_words(instructions(new), tools=terms.tools).keys() - known)
    if unknown:
        raise RefusedError(f"names {unknown[0]!r}, which is no tool of the target")


def _check_home(new: Routine, proposal: Proposal, terms: Terms) -> None:
    """What could not be written in the end, such as a character that the encoding lacks, need not be measured."""
    home = terms.old.home
    if home is None:
        return
    try:
        encode_like(home.source, home.put(new.text))
    except (FileAccessError, RoutineError) as error:
        # Where no text can be written, the proposal is not to blame: what would help is shown all the same.
        if home_trouble(terms.old) is None:
            raise RefusedError(f"could not be written: {error}") from None


def _check_copies(new: Routine, proposal: Proposal, terms: Terms) -> None:
    written = _written(new, proposal, terms)
    found = copied(written, before=spoken(terms.old), subjects=terms.subjects, tools=terms.tools)
    found = found or copied_input(_invented(new, proposal, terms), terms.subjects)
    if found is not None:
        raise RefusedError(found)


def _written(new: Routine, proposal: Proposal, terms: Terms) -> str:
    """What the proposer put into words itself: the instructions, and the examples that are no training cases."""
    invented = _invented(new, proposal, terms)
    return "\n".join([instructions(new), *(text for turn in invented for text in (turn.user, turn.assistant))])


def _invented(new: Routine, proposal: Proposal, terms: Terms) -> list[Turn]:
    """The worked examples that are new, and no training case that the proposal names."""
    exempt = [subject for subject in terms.subjects if subject.key in proposal.examples_from]
    known = {*terms.old.turns, *(shown_turn(terms.old, subject) for subject in exempt)}
    return [turn for turn in new.turns if turn not in known]


_CHECKS: Iterable[Callable[[Routine, Proposal, Terms], None]] = (
    _check_seen,
    _check_placeholders,
    _check_frozen,
    _check_renders,
    _check_length,
    _check_losses,
    _check_manners,
    _check_characters,
    _check_tools,
    _check_copies,
    _check_home,
)
