"""The journal of repairs: one JSON line per decision, enough to explain a repair and to take it back."""

from __future__ import annotations

import json
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
            with (self.folder / JOURNAL_FILE).open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        except OSError as error:
            raise FileAccessError(f"cannot write the journal in {self.folder}: {error.strerror or error}") from None

    def was_interrupted(self, digest: str, seed: int) -> bool:
        """Whether the last repair of a text with this digest and seed did not come to its end: it was stopped, or a
        budget was used up. Begun again, it finds its replies in the cache, those of its probe among them."""
        try:
            lines = (self.folder / JOURNAL_FILE).read_text(encoding="utf-8").splitlines()
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
