"""Replies on disk, in one SQLite file that several processes may use at once."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from pytest_metaprompt.clients.recorded import digest, read_reply, reply_as_json, without_secrets
from pytest_metaprompt.files import make_own_folder
from pytest_metaprompt.results import Reply, Request

_VERSION = 1
_BATCH = 64
_FLUSH_EVERY_S = 1.0
_BUSY_S = 10.0
_AGAIN_S = 0.02
_DAY_S = 86_400.0
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_TABLE = "CREATE TABLE replies (key TEXT PRIMARY KEY, reply TEXT NOT NULL, made REAL NOT NULL) WITHOUT ROWID"
_INDEX = "CREATE INDEX by_age ON replies (made)"


class CacheFile:
    """Replies by key, in a file that is made when the first one is written.

    Written replies reach the disk in batches, at the latest when the cache is closed. Replies older than `days` are
    forgotten, and when the file grows beyond `megabytes` the oldest go first. Nothing here ever fails a run: a damaged
    file is set aside, and a file that cannot be used is not; both are told through `warn`.
    """

    def __init__(
        self,
        path: Path,
        *,
        days: float,
        megabytes: float,
        warn: Callable[[str], None] = lambda text: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._days = days
        self._megabytes = megabytes
        self._warn = warn
        self._clock = clock
        self._connection: sqlite3.Connection | None = None
        self._pending: dict[str, tuple[str, float]] = {}
        self._flushed_at = clock()
        self._usable = True

    def get(self, key: str) -> Reply | None:
        """The reply under a key, unless it is too old."""
        if key in self._pending:
            return read_reply(json.loads(self._pending[key][0]), cached=True)
        rows = self._run(lambda file: self._select(file, key), create=False)
        try:
            return read_reply(json.loads(rows[0]), cached=True) if rows else None
        except ValueError:
            return None  # Written by something else, or by chance: as if it were not there.

    def put(self, key: str, text: str) -> None:
        """Keeps a reply, given as JSON."""
        self._pending[key] = (text, self._clock())
        if len(self._pending) >= _BATCH or self._clock() - self._flushed_at >= _FLUSH_EVERY_S:
            self.flush()

    def flush(self) -> None:
        """Writes what is not on the disk yet, in one transaction."""
        self._flushed_at = self._clock()
        if self._pending:
            rows = [(key, *value) for key, value in self._pending.items()]
            self._run(lambda file: _insert(file, rows), create=True)
            self._pending.clear()

    def close(self) -> None:
        """Writes what is left, and keeps the file within its size."""
        self.flush()
        self._run(self._shrink, create=False)
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _select(self, file: sqlite3.Connection, key: str) -> list[str]:
        oldest = self._clock() - self._days * _DAY_S
        found = file.execute("SELECT reply FROM replies WHERE key = ? AND made >= ?", (key, oldest)).fetchone()
        return [found[0]] if found else []

    def _shrink(self, file: sqlite3.Connection) -> list[str]:
        with file:
            file.execute("DELETE FROM replies WHERE made < ?", (self._clock() - self._days * _DAY_S,))
        while self._size(file) > self._megabytes * 1e6 and (count := _count(file)):
            with file:
                oldest = "SELECT key FROM replies ORDER BY made LIMIT ?"
                file.execute(f"DELETE FROM replies WHERE key IN ({oldest})", (max(1, count // 10),))
        file.executescript("PRAGMA incremental_vacuum")  # `execute` would take only its first step: one page.
        return []

    @staticmethod
    def _size(file: sqlite3.Connection) -> float:
        """The bytes in use; pages that are free will be given back."""
        pages, free, size = (
            float(file.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * size

    def _run(self, work: Callable[[sqlite3.Connection], list[str]], *, create: bool) -> list[str]:
        """What the work gives on the open file; nothing where there is no file that can be used."""
        if not self._usable:
            return []
        try:
            return work(self._open()) if create or self._connection or self._path.exists() else []
        except (sqlite3.Error, OSError) as error:
            return self._after(error, work)

    def _after(self, error: Exception, work: Callable[[sqlite3.Connection], list[str]]) -> list[str]:
        if isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
            self._drop_connection()
            try:
                self._set_aside()
                return work(self._open())
            except (sqlite3.Error, OSError) as second:
                error = second
        self._drop_connection()
        self._usable = False
        said = getattr(error, "strerror", None) or error
        self._warn(f"the cache {self._path} cannot be used, so it is left out: {said}")
        return []

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            make_own_folder(self._path.parent)
            # The loop's thread uses it; the thread that closes it may be another.
            self._connection = sqlite3.connect(self._path, timeout=_BUSY_S, check_same_thread=False)
            _prepare(self._connection)
        return self._connection

    def _set_aside(self) -> None:
        """Gives the damaged file another name, unless another process has done so."""
        if _is_sound(self._path):
            return
        aside = self._path.with_suffix(".damaged.db")
        self._path.replace(aside)
        for ending in ("-wal", "-shm"):
            self._path.with_name(self._path.name + ending).unlink(missing_ok=True)
        self._warn(f"the cache was damaged; it is kept as {aside}, and a new one was begun")

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class CacheStore:
    """The part of a cache file that belongs to one model, with the replies of this session in memory."""

    def __init__(self, file: CacheFile, *, identity: str, secrets: frozenset[str]) -> None:
        self._file = file
        self._identity = identity
        self._secrets = secrets
        self._recent: dict[str, Reply] = {}

    def get(self, key: str, request: Request) -> Reply | None:
        """The reply stored for a request, by this session or another."""
        return self._recent.get(key) or self._file.get(self._on_disk(key))

    def put(self, key: str, request: Request, reply: Reply) -> None:
        """Stores a reply."""
        self._recent[key] = reply
        text = json.dumps(reply_as_json(reply), separators=(",", ":"))
        self._file.put(self._on_disk(key), without_secrets(text, self._secrets))

    def _on_disk(self, key: str) -> str:
        return digest(f"{self._identity} {key}")


def _prepare(file: sqlite3.Connection) -> None:
    """Sets the connection up, and the tables where the file is new. One of another version is emptied."""
    file.execute("PRAGMA synchronous = NORMAL")
    version = file.execute("PRAGMA user_version").fetchone()[0]
    if version == _VERSION:
        return
    file.execute("PRAGMA auto_vacuum = INCREMENTAL")
    _log_ahead(file)
    file.execute("BEGIN IMMEDIATE")  # One process makes the tables; the others wait, and then find them.
    if file.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
        file.execute("DROP TABLE IF EXISTS replies")
        file.execute(_TABLE)
        file.execute(_INDEX)
        file.execute(f"PRAGMA user_version = {_VERSION}")
    file.commit()


def _log_ahead(file: sqlite3.Connection) -> None:
    """Lets others read while one writes. SQLite does not wait by itself where several begin with this at once."""
    deadline = time.monotonic() + _BUSY_S
    while True:
        try:
            file.execute("PRAGMA journal_mode = WAL").fetchone()
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(_AGAIN_S)


def _insert(file: sqlite3.Connection, rows: list[tuple[str, str, float]]) -> list[str]:
    with file:
        file.executemany("INSERT OR REPLACE INTO replies (key, reply, made) VALUES (?, ?, ?)", rows)
    return []


def _count(file: sqlite3.Connection) -> int:
    return int(file.execute("SELECT count(*) FROM replies").fetchone()[0])


def _is_sound(path: Path) -> bool:
    """Whether the file can be read from end to end; a missing one is as good as new."""
    try:
        with closing(sqlite3.connect(path, timeout=_BUSY_S)) as file:
            return bool(file.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")
    except sqlite3.Error:
        return False
