"""The only door to the user's disk: read a text with its digest, write it back whole or not at all."""

from __future__ import annotations

import codecs
import difflib
import hashlib
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pytest_metaprompt.errors import FileAccessError, StaleFileError

OWN_FOLDER = ".metaprompt"
"""The folder of what is kept between runs (cache, history, journal, batches), in pytest's root directory."""
FILE_PREFIX = "file://"
"""What marks a text in a suite as the name of a file, relative to the suite's folder unless said otherwise."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16: its mark begins with the same two bytes
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LINE = re.compile(r"([^\r\n]*)(\r\n|\r|\n|$)")


@dataclass(frozen=True, slots=True)
class SourceText:
    """A text file as it was read. `text` has `\\n` line ends and no byte order mark; the rest is kept for writing."""

    path: Path
    text: str
    digest: str
    encoding: str
    bom: bytes
    raw: bytes


def read_text(path: Path) -> SourceText:
    """The text of a file in UTF-8, in what its byte order mark says, or else in Windows-1252 or Latin-1.

    Raises:
        FileAccessError: The file is missing, a folder, or may not be read.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise FileAccessError.reading(path, error) from None
    return _source(path, raw)


def encode_like(source: SourceText, new_text: str) -> bytes:
    """The bytes of `new_text` in the form of the source: its encoding, mark and line ends; kept lines keep theirs.

    Raises:
        FileAccessError: The text holds a character that the file's encoding cannot.
    """
    old = _LINE.findall(source.raw[len(source.bom) :].decode(source.encoding))[:-1]
    ends = Counter(end for _, end in old if end)
    usual = ends.most_common(1)[0][0] if ends else "\n"
    new = new_text.split("\n")
    matcher = difflib.SequenceMatcher(None, [line for line, _ in old], new, autojunk=False)
    new_ends = [usual] * len(new)
    for start_old, start_new, size in matcher.get_matching_blocks():
        for offset in range(size):
            new_ends[start_new + offset] = old[start_old + offset][1] or usual
    new_ends[-1] = ""
    text = "".join(line + end for line, end in zip(new, new_ends, strict=True))
    try:
        return source.bom + text.encode(source.encoding)
    except UnicodeEncodeError as error:
        bad = text[error.start : error.end]
        raise FileAccessError(
            f"{source.path} is encoded in {source.encoding}, which cannot hold {bad!r}",
            hint="save the file as UTF-8 first",
        ) from None


def virtually_written(source: SourceText, new_text: str) -> SourceText:
    """The file as it would be read after `write_back`.

    Raises:
        FileAccessError: The text holds a character that the file's encoding cannot.
    """
    raw = encode_like(source, new_text)
    return SourceText(source.path, new_text, _digest(raw), source.encoding, source.bom, raw)


def write_back(source: SourceText, new_text: str) -> SourceText:
    """Replace the file's text, atomically, in its own encoding, line ends, mode and place behind a symlink, and return
    the file as it is now.

    Raises:
        StaleFileError: The file is no longer what `read_text` saw; it was left alone.
        FileAccessError: The file could not be written; it holds what it held before.
    """
    content = encode_like(source, new_text)
    written = _source(source.path, content)
    if written.text != new_text:
        raise FileAccessError(f"the new text of {source.path} would not read back as it is, so nothing was written")
    real = Path(os.path.realpath(source.path))
    with _alone_in(real.parent):
        _refuse_stale(source)
        try:
            _replace(real, content)
            sound = real.read_bytes() == content
            if not sound:
                _replace(real, source.raw)
        except OSError as error:
            raise FileAccessError.writing(source.path, error) from None
        if not sound:
            raise FileAccessError(f"{source.path} did not read back as written, so the old text was put back")
    return written


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Holds off other processes that write in a folder through here, so that two of them never both find a file as
    they read it. Where the system (Windows) or the file system (over a network) has no such lock, nobody is held off.

    Raises:
        FileAccessError: The folder cannot be opened, which takes the right to read it.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise FileAccessError(
            f"cannot open the folder {folder}, to hold off others while writing in it: {error.strerror or error}",
            hint="give yourself the right to read it",
        ) from None
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def make_own_folder(folder: Path) -> None:
    """Make a folder for files of ours, which git is told to ignore; an existing one stays as it is."""
    if not folder.exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".gitignore").write_text("# Made by pytest-metaprompt.\n*\n", encoding="utf-8")


def write_new(path: Path, text: str) -> None:
    """Write a text file of ours in UTF-8; see `write_new_bytes`."""
    write_new_bytes(path, text.encode())


def write_new_bytes(path: Path, content: bytes) -> None:
    """Write a file of ours, whole or not at all; what is no regular file, such as a pipe, is written into.

    Raises:
        OSError: It could not be written; what stood there before still does.
    """
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    real = Path(os.path.realpath(path))
    handle, name = tempfile.mkstemp(dir=real.parent, prefix=f".{real.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(name, real.stat().st_mode & 0o7777 if real.exists() else 0o666 & ~_umask())
        os.replace(name, real)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_first(path: Path, text: str) -> None:
    """Write a file that is not there yet, whole or not at all.

    Raises:
        OSError: It could not be written; FileExistsError if somebody was faster.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(name, 0o666 & ~_umask())
        os.link(name, path)  # Unlike a rename, a link never replaces what is there.
    finally:
        Path(name).unlink(missing_ok=True)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def changed_since(source: SourceText) -> bool:
    """Whether the file is no longer what `read_text` saw."""
    try:
        return _digest(source.path.read_bytes()) != source.digest
    except OSError:
        return True


def _refuse_stale(source: SourceText) -> None:
    if changed_since(source):
        raise StaleFileError(f"{source.path} changed while the repair ran, so it was not overwritten")


def _replace(real: Path, content: bytes) -> None:
    status = real.stat()
    handle, name = tempfile.mkstemp(dir=real.parent, prefix=f".{real.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, status.st_mode & 0o7777)
        _keep_owner(name, status)
        os.replace(name, real)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _keep_owner(name: str, status: os.stat_result) -> None:
    if hasattr(os, "chown") and (status.st_uid, status.st_gid) != (os.getuid(), os.getgid()):
        try:
            os.chown(name, status.st_uid, status.st_gid)
        except PermissionError:
            return  # Only root may give a file away; the content matters more than its owner.


def _source(path: Path, raw: bytes) -> SourceText:
    bom, encoding = _encoding(raw)
    text = raw[len(bom) :].decode(encoding)
    return SourceText(path, _LINE.sub(_as_newline, text), _digest(raw), encoding, bom, raw)


def _encoding(raw: bytes) -> tuple[bytes, str]:
    for bom, encoding in _BOMS:
        if raw.startswith(bom):
            return bom, encoding
    for encoding in ("utf-8", "cp1252"):
        try:
            raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        return b"", encoding
    return b"", "latin-1"


def _as_newline(match: re.Match[str]) -> str:
    return match[1] + ("\n" if match[2] else "")


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
