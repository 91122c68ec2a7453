"""Which batches are under way, in a file of JSON lines, so that an interrupted run finds them again."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pytest_metaprompt.errors import FileAccessError
from pytest_metaprompt.files import make_own_folder, write_new_bytes

FILE = "batches.jsonl"


@dataclass(frozen=True, slots=True)
class Sent:
    """A batch that was begun: where, when (seconds since 1970), and the keys of the requests whose answers are still to
    be fetched. `digest` is that of the file as it was sent, and `file` its name there. `server` is an address without
    secrets. `batch` is empty until the server has told it."""

    batch: str
    server: str
    model: str
    api_key_env: str | None
    began: float
    digest: str
    keys: tuple[str, ...]
    file: str = ""

    @property
    def name(self) -> str:
        """What tells it from the others, from before it is begun."""
        return self.file or self.batch


class BatchLog:
    """The batches that are under way or have answers that nobody fetched yet."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE

    def read(self) -> list[Sent]:
        """The batches, oldest first; of lines of one file the last counts. Lines that are none are passed over.

        Raises:
            FileAccessError: The file cannot be read.
        """
        try:
            lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise FileAccessError.reading(self.path, error) from None
        told = [sent for line in lines if (sent := _sent(line)) is not None]
        return list({sent.name: sent for sent in told}.values())

    def add(self, sent: Sent) -> None:
        """Appends a batch, or what is known of it now, and sees to it that it is on the disk.

        Raises:
            FileAccessError: It cannot be written.
        """
        try:
            make_own_folder(self.path.parent)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(sent)) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise FileAccessError.writing(self.path, error) from None

    def settle(self, done: Mapping[str, Collection[str]]) -> None:
        """Takes out what was fetched of each batch, by its name; with nothing left a batch goes, and the file with the
        last one.

        Raises:
            FileAccessError: It cannot be written.
        """
        before = self.read()
        after = [replace(sent, keys=_without(sent.keys, done.get(sent.name, ()))) for sent in before]
        kept = [sent for sent in after if sent.keys]
        if kept == before:
            return
        try:
            if kept:
                write_new_bytes(self.path, "".join(json.dumps(asdict(sent)) + "\n" for sent in kept).encode())
            else:
                self.path.unlink(missing_ok=True)
        except OSError as error:
            raise FileAccessError.writing(self.path, error) from None


def _without(keys: tuple[str, ...], done: Collection[str]) -> tuple[str, ...]:
    gone = set(done)
    return tuple(key for key in keys if key not in gone)


def _sent(line: str) -> Sent | None:
    """The batch of a line; None where the line is torn or not ours."""
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, Mapping):
        return None
    texts = [told.get(key) for key in ("batch", "server", "model", "digest")]
    keys, began, variable = told.get("keys"), told.get("began"), told.get("api_key_env")
    if not isinstance(keys, list) or not isinstance(began, int | float):
        return None
    if not all(isinstance(text, str) for text in [*texts, *keys]):
        return None
    batch, server, model, digest = (str(text) for text in texts)
    named = variable if isinstance(variable, str) else None
    file = told.get("file")
    return Sent(batch, server, model, named, float(began), digest, tuple(keys), file if isinstance(file, str) else "")
