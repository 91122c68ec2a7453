"""Cassettes: recorded calls in a file that is committed, read in a diff, and replayed without a network."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pytest_metaprompt.clients.nearest import describe_nearest
from pytest_metaprompt.clients.recorded import (
    digest,
    read_reply,
    reply_as_json,
    request_as_json,
    without_secrets,
)
from pytest_metaprompt.errors import FileAccessError, NotRecordedError, Place, SetupError
from pytest_metaprompt.files import read_text, write_new
from pytest_metaprompt.results import Reply, Request
from pytest_metaprompt.suites import Json

RecordMode = Literal["none", "once", "new_episodes", "rewrite"]

_KEYS = ("role", "model", "sample", "params", "messages", "reply")


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded call. `request` is what `request_as_json` gives; who asked (`role`) is told, and not matched."""

    role: str
    request: Mapping[str, Json]
    reply: Reply

    @property
    def key(self) -> str:
        """A digest of the whole request: equal for equal questions, wherever they are sent."""
        return recording_key(self.request)


def recording_key(request: Mapping[str, Json]) -> str:
    """What a request of `request_as_json` is found by."""
    return digest(json.dumps(request))


def as_line(recording: Recording) -> str:
    """A recorded call as one line of JSON."""
    entry = {"role": recording.role, **recording.request, "reply": reply_as_json(recording.reply)}
    line = json.dumps(entry, ensure_ascii=False)
    return line if _is_clean(line) else json.dumps(entry)


def read_line(line: str) -> Recording:
    """The recorded call in a line.

    Raises:
        ValueError: It is none.
    """
    if line.startswith(("<<<<<<<", "=======", ">>>>>>>", "|||||||")):
        raise ValueError("a merge conflict: keep both sides, and delete this line")
    entry = json.loads(line)
    if not isinstance(entry, dict) or any(key not in entry for key in _KEYS) or not isinstance(entry["role"], str):
        raise ValueError(f"not a recorded call: a line holds {', '.join(_KEYS)}")
    request = {key: entry[key] for key in ("model", "sample", "params", "messages")}
    return Recording(entry["role"], request, read_reply(entry["reply"]))


class Cassette:
    """Recorded calls by their request, in a file of one line a call.

    The lines stand in the order of their requests, so that a new recording changes only the lines of replies that
    changed.
    """

    def __init__(self, recordings: Iterable[Recording] = ()) -> None:
        self._recordings = {recording.key: recording for recording in recordings}

    @classmethod
    def load(cls, path: Path, *, shown: str) -> Cassette:
        """The cassette in a file; an empty one where there is none. Of equal requests the last counts.

        Raises:
            SetupError: A line is no recorded call.
            FileAccessError: The file cannot be read.
        """
        if not path.exists():
            return cls()
        return cls(_read_lines(read_text(path).text, shown))

    def __len__(self) -> int:
        return len(self._recordings)

    def __iter__(self) -> Iterator[Recording]:
        return iter(self._recordings.values())

    def find(self, key: str) -> Recording | None:
        """The recording of a request."""
        return self._recordings.get(key)

    def add(self, recording: Recording) -> None:
        """Keeps a recording. A reply that says the same as the recorded one leaves it as it is, with its time."""
        known = self._recordings.get(recording.key)
        if known is None or not _says_the_same(known.reply, recording.reply):
            self._recordings[recording.key] = recording

    def text(self) -> str:
        """The content of the file."""
        return "".join(as_line(one) + "\n" for one in sorted(self, key=_position))

    def write(self, path: Path) -> None:
        """Writes the file, whole or not at all; one that holds just this already is not touched.

        Raises:
            FileAccessError: It cannot be written.
        """
        text = self.text()
        try:
            if not path.is_file() or path.read_bytes() != text.encode():
                path.parent.mkdir(parents=True, exist_ok=True)
                write_new(path, text)
        except OSError as error:
            raise FileAccessError.writing(path, error) from None


@dataclass(frozen=True, slots=True)
class Tape:
    """How one cassette is used: replayed and perhaps recorded to. `old` is what the file held."""

    path: Path
    shown: str
    replays_only: bool
    replaces: bool
    old: Cassette
    new: Cassette
    counts: dict[str, int]


def open_tape(path: Path, *, shown: str, mode: RecordMode) -> Tape:
    """The cassette of a suite as a mode uses it; the file is read now, and written by `finish_tape`.

    Raises:
        SetupError: The file is no cassette.
        FileAccessError: The file cannot be read.
    """
    replays_only = mode == "none" or (mode == "once" and path.exists())
    old = Cassette.load(path, shown=shown)
    return Tape(path, shown, replays_only, mode == "rewrite", old, Cassette(), {"replayed": 0, "recorded": 0})


def finish_tape(tape: Tape, *, whole: bool) -> None:
    """Writes what was recorded beside what others wrote meanwhile. A cassette that is replaced loses what was not used,
    if the `whole` suite was run.

    Raises:
        SetupError: The file is no cassette any more.
        FileAccessError: It cannot be written.
    """
    if tape.replays_only or not len(tape.new):
        return
    kept = Cassette() if tape.replaces and whole else Cassette.load(tape.path, shown=tape.shown)
    for recording in tape.new:
        kept.add(recording)
    kept.write(tape.path)


class CassetteStore:
    """The calls of one role on a cassette, without the secrets that go with its model."""

    def __init__(self, tape: Tape, *, role: str, secrets: frozenset[str]) -> None:
        self._tape = tape
        self._role = role
        self._secrets = secrets

    def get(self, key: str, request: Request) -> Reply | None:
        """The recorded reply.

        Raises:
            NotRecordedError: There is none, and the cassette is only replayed.
        """
        tape, wanted = self._tape, self._clean(request_as_json(request))
        found = tape.new.find(recording_key(wanted))
        if found is None and not tape.replaces:
            found = tape.old.find(recording_key(wanted))
        if found is not None:
            tape.counts["replayed"] += 1
            return found.reply
        if tape.replays_only:
            raise NotRecordedError(_not_recorded(tape, wanted), hint="record it with --metaprompt-record=new_episodes")
        return None

    def put(self, key: str, request: Request, reply: Reply) -> None:
        """Records a reply."""
        wanted = self._clean(request_as_json(request))
        clean = read_reply(self._clean(reply_as_json(reply)))
        old = self._tape.old.find(recording_key(wanted))
        if old is not None and _says_the_same(old.reply, clean):
            clean = old.reply
        self._tape.counts["recorded"] += 1
        self._tape.new.add(Recording(self._role, wanted, clean))

    def _clean(self, value: Mapping[str, Json]) -> dict[str, Json]:
        text = json.dumps(value, ensure_ascii=False, default=dict)
        found: dict[str, Json] = json.loads(without_secrets(text, self._secrets))
        return found


def _read_lines(text: str, shown: str) -> Iterator[Recording]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield read_line(line)
            except (ValueError, RecursionError) as error:
                said = "not valid JSON" if isinstance(error, json.JSONDecodeError) else str(error)
                hint = "put it right, or delete the file and record it again"
                raise SetupError(
                    f"the cassette cannot be used: {said}", where=Place(shown, number), hint=hint
                ) from None


def _not_recorded(tape: Tape, wanted: Mapping[str, Json]) -> str:
    if not len(tape.old):
        return f"this call is not recorded: there is no cassette {tape.shown}"
    nearest = describe_nearest(wanted, [recording.request for recording in tape.old])
    return f"this call is not recorded in {tape.shown}; {nearest}"


def _says_the_same(one: Reply, other: Reply) -> bool:
    return replace(one, latency_s=0.0, cost_usd=None, cached=False) == replace(
        other, latency_s=0.0, cost_usd=None, cached=False
    )


def _position(recording: Recording) -> tuple[str, str, str, int]:
    request = recording.request
    sample = request["sample"]
    said = json.dumps([request["messages"], request["params"]])
    return recording.role, str(request["model"]), said, sample if isinstance(sample, int) else 0


def _is_clean(line: str) -> bool:
    """Whether the line can be written in UTF-8, and is one line to every reader."""
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return len(line.splitlines()) == 1
