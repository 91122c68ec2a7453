"""The journal of repairs: one JSON line per decision, enough to explain a repair and to take it back."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pytest_metaprompt.errors import FileAccessError
from pytest_metaprompt.files import make_own_folder
from pytest_metaprompt.suites import Json

JOURNAL_FILE = "journal.jsonl"


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class FileJournal:
    """Appends to the journal in a folder that git is told to ignore."""

    folder: Path
    routine: str
    clock: Callable[[], datetime] = _now

    def note(self, event: str, **details: Json) -> None:
        """Add one line.

        Raises:
            FileAccessError: The folder cannot be written to.
        """
        entry: dict[str, Json] = {"at": self.clock().isoformat(), "routine": self.routine, "event": event, **details}
        try:
            make_own_folder(self.folder)
            path = self.folder / JOURNAL_FILE
            # An interruption may have cut the last line off; this one must not become a part of it.
            start = "" if _ends_whole(path) else "\n"
            with path.open("a", encoding="ascii", newline="\n") as file:
                file.write(f"{start}{json.dumps(entry)}\n")
        except OSError as error:
            raise FileAccessError(f"cannot write the journal in {self.folder}: {error.strerror or error}") from None

    def was_interrupted(self, digest: str, seed: int) -> bool:
        """Whether the last repair of a text with this digest and seed did not come to its end: it was stopped, or a
        budget was used up. Begun again, it finds its replies in the cache, those of its probe among them."""
        try:
            lines = (self.folder / JOURNAL_FILE).read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeDecodeError):
            return False
        under_way = False
        for line in lines:
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if entry.get("routine") == self.routine and entry.get("event") == "began":
                under_way = (entry.get("digest"), entry.get("seed")) == (digest, seed)
            elif entry.get("routine") == self.routine and entry.get("event") == "end":
                under_way = under_way and not entry.get("complete", True)
        return under_way


def _ends_whole(path: Path) -> bool:
    if not path.exists() or not path.stat().st_size:
        return True
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"
