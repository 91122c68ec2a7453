"""What the journal says of past repairs, and how the last one is taken back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_metaprompt.errors import FileAccessError, MetapromptError, Place
from pytest_metaprompt.files import read_text, write_back
from pytest_metaprompt.repair.journal import JOURNAL_FILE, FileJournal
from pytest_metaprompt.suites import Json

Entry = Mapping[str, Json]

_BEGINNING = '{"at": '
"""How every entry begins, one that was cut off as well."""


@dataclass(frozen=True, slots=True)
class Written:
    """A repair that was written: the file, and its whole text before and after."""

    routine: str
    file: Path
    before: str
    after: str
    at: str


def read_journal(folder: Path) -> list[Entry]:
    """Every entry, the oldest first. A line that was cut off by an interruption is left out.

    Raises:
        MetapromptError: There is no journal, or a line of it is no entry.
    """
    path = folder / JOURNAL_FILE
    try:
        lines = read_text(path).text.split("\n")
    except FileAccessError:
        hint = "a repair (--metaprompt-fix) begins one"
        raise MetapromptError(f"there is no journal at {path}", hint=hint) from None
    entries: list[Entry] = []
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line)
        except ValueError:
            if not line.strip() or line.startswith(_BEGINNING):
                continue
            raise MetapromptError("this line is no entry of a journal", where=Place(str(path), number)) from None
        entries.append(entry)
    return entries


def last_written(entries: Sequence[Entry]) -> Written:
    """The last repair that was written and not taken back since.

    Raises:
        MetapromptError: There is none.
    """
    standing: list[Written] = []
    for entry in entries:
        if entry.get("event") == "written":
            standing.append(_written(entry))
        elif entry.get("event") in ("reverted", "not_written") and standing:
            standing.pop()
    if not standing:
        raise MetapromptError("the journal holds no repair that could be taken back")
    return standing[-1]


def _written(entry: Entry) -> Written:
    routine, file, before, after, at = (str(entry.get(key, "")) for key in ("routine", "file", "before", "after", "at"))
    return Written(routine, Path(file), before, after, at)


def take_back(written: Written, folder: Path) -> bool:
    """Put back the text that a repair replaced, and note it in the journal. Where that text already stands in the file,
    as after an interruption just before the file was written, it is only noted. Whether the file was changed.

    Raises:
        MetapromptError: The file is gone, or is not as the repair left it.
    """
    source = read_text(written.file)
    if source.text not in (written.before, written.after):
        hint = "take the change back by hand; --metaprompt-journal shows it"
        raise MetapromptError(f"{written.file} was changed since the repair of {written.at}", hint=hint)
    stands = source.text == written.after
    if stands:
        write_back(source, written.before)
    FileJournal(folder, written.routine).note("reverted", file=str(written.file))
    return stands


def explained(entries: Sequence[Entry]) -> Iterator[str]:
    """The journal in words, a line for each entry, the oldest first."""
    routine = None
    for entry in entries:
        if entry.get("routine") != routine or entry.get("event") == "began":
            routine = entry.get("routine")
            yield f"{_when(entry)}  {routine}"
        yield from (f"  {line}" for line in _lines(entry))


def _when(entry: Entry) -> str:
    return str(entry.get("at", ""))[:16].replace("T", " ")


def _lines(entry: Entry) -> Iterator[str]:
    match entry.get("event"):
        case "began":
            return
        case "split":
            train, holdout = (len(_list(entry, key)) for key in ("train", "holdout"))
            yield f"{train} training cases, {holdout} held out; replies are {entry.get('mode')}"
        case "decision":
            yield f"round {entry.get('round')}: {entry.get('proposer')}: {entry.get('hypothesis')}"
            fixed = _list(entry, "fixed")
            shown = f"; fixes {', '.join(map(str, fixed))}" if fixed else ""
            yield f"  {entry.get('decision')}: {entry.get('reason')}{shown}"
        case "gave_up":
            yield f"{entry.get('proposer')} was not asked again: {entry.get('reason')}"
        case "taken_back":
            yield f"taken back: {entry.get('reason')}"
        case "end":
            yield f"end: {entry.get('reason')}"
        case "written":
            yield f"written to {entry.get('file')}"
            yield from (f"  {line}" for line in str(entry.get("diff", "")).splitlines())
        case "not_written":
            yield f"not written: {entry.get('reason')}"
        case "reverted":
            yield f"reverted: {entry.get('file')} is as it was before the repair"
        case event:
            yield str(event)


def _list(entry: Entry, key: str) -> Sequence[Json]:
    value = entry.get(key)
    return value if isinstance(value, list) else []
