"""What every suite came to, run by run, in a small SQLite file beside the cache."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from pytest_metaprompt.errors import FileAccessError
from pytest_metaprompt.files import make_own_folder
from pytest_metaprompt.stats import Accuracy, accuracy

HISTORY_FILE = "history.db"

KEPT = 500
"""How many runs of a suite are kept, the newest."""

_BUSY_S = 5.0


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A suite's counts in one run. `at` is when it ended, in UTC, as ISO 8601 writes it; `total` are the cases that
    count, `cost_usd` is None where a price was not known."""

    suite: str
    at: str
    target: str
    passed: int
    total: int
    errors: int
    flaky: int
    cost_usd: float | None
    seconds: float

    @property
    def accuracy(self) -> Accuracy:
        """The share that passed, with its interval."""
        return accuracy(self.passed, self.total)


_NAMES = ", ".join(field.name for field in fields(HistoryEntry))
_MARKS = ", ".join("?" for _ in fields(HistoryEntry))
_TABLE = """
CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY, suite TEXT NOT NULL, at TEXT NOT NULL, target TEXT NOT NULL, passed INTEGER NOT NULL,
    total INTEGER NOT NULL, errors INTEGER NOT NULL, flaky INTEGER NOT NULL, cost_usd REAL, seconds REAL NOT NULL
)"""
_INDEX = "CREATE INDEX IF NOT EXISTS by_suite ON runs (suite, id)"
_OLD = (
    "DELETE FROM runs WHERE suite = ? AND id <= (SELECT id FROM runs WHERE suite = ? ORDER BY id DESC LIMIT 1 OFFSET ?)"
)


def add_to_history(path: Path, entries: Sequence[HistoryEntry], *, kept: int = KEPT) -> None:
    """Add a run's suites; of each only the newest are kept.

    Raises:
        FileAccessError: The file cannot be written, or is none of ours.
    """
    try:
        make_own_folder(path.parent)
        with closing(sqlite3.connect(path, timeout=_BUSY_S)) as file, file:
            file.execute(_TABLE)
            file.execute(_INDEX)
            file.executemany(f"INSERT INTO runs ({_NAMES}) VALUES ({_MARKS})", [astuple(one) for one in entries])
            file.executemany(_OLD, [(one.suite, one.suite, kept) for one in entries])
    except (sqlite3.Error, OSError) as error:
        raise FileAccessError(f"the history {path} cannot be written: {error}") from None


def read_history(path: Path, *, suite: str | None = None, last: int | None = None) -> list[HistoryEntry]:
    """The runs in order, the oldest first: of all suites or of one, and of each the last ones alone if asked for.

    Raises:
        FileAccessError: The file cannot be read, or is none of ours.
    """
    if not path.exists():
        return []
    query = (
        f"SELECT {_NAMES} FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY suite ORDER BY id DESC) AS age FROM runs)"
        " WHERE (? IS NULL OR suite = ?) AND (? IS NULL OR age <= ?) ORDER BY suite, age DESC"
    )
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=_BUSY_S)) as file:
            return [HistoryEntry(*row) for row in file.execute(query, (suite, suite, last, last))]
    except sqlite3.Error as error:
        hint = "delete the file to begin anew"
        raise FileAccessError(f"the history {path} cannot be read: {error}", hint=hint) from None
