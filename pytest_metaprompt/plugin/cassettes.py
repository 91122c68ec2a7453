"""The cassettes of a session: one for each suite file, used as `--metaprompt-record` says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from pytest_metaprompt.clients.cassette import RecordMode, Tape, finish_tape, open_tape
from pytest_metaprompt.errors import MetapromptError
from pytest_metaprompt.formats.problems import shown_path
from pytest_metaprompt.plugin.options import Options

FOLDER = "cassettes"
_NATIVE_ENDINGS = (".metaprompt.yaml", ".metaprompt.yml")


def cassette_path(file: Path) -> Path:
    """Where the calls of a suite file or a test module are recorded: `cassettes/<name>.jsonl` beside it."""
    ending = next((one for one in _NATIVE_ENDINGS if file.name.endswith(one)), file.suffix)
    return file.parent / FOLDER / f"{file.name.removesuffix(ending)}.jsonl"


class Cassettes:
    """Opens the cassette of each file once, and writes what was recorded at the end of the session."""

    def __init__(self, options: Options, *, root: Path) -> None:
        self._options = options
        self._root = root
        self._tapes: dict[Path, Tape | None] = {}

    def of(self, file: Path) -> Tape | None:
        """The cassette of a suite file or a test module; None if none is used.

        Raises:
            SetupError: The cassette cannot be used.
            FileAccessError: It cannot be read.
        """
        if file not in self._tapes:
            path = cassette_path(file)
            mode = self._mode(path)
            self._tapes[file] = open_tape(path, shown=self._shown(path), mode=mode) if mode is not None else None
        return self._tapes[file]

    @property
    def used(self) -> bool:
        """Whether any call was looked for on a cassette."""
        return any(tape is not None for tape in self._tapes.values())

    def finish(self, *, is_whole: Callable[[Path], bool]) -> Iterator[str]:
        """Write what was recorded, and tell about it; `is_whole` says whether all calls of a file were made."""
        for file, tape in self._tapes.items():
            if tape is not None and any(tape.counts.values()):
                try:
                    finish_tape(tape, whole=is_whole(file))
                    yield f"{tape.shown}: {tape.counts['replayed']} calls replayed, {tape.counts['recorded']} recorded"
                except MetapromptError as error:
                    yield f"the cassette was not written: {error}"

    def _mode(self, path: Path) -> RecordMode | None:
        if self._options.record is None and self._options.in_ci and path.exists():
            return "none"
        return self._options.record

    def _shown(self, path: Path) -> str:
        return shown_path(path, self._root)
