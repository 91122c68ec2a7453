"""Reading and writing back: every byte that was not changed stays, and nothing is ever half written."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_metaprompt.errors import FileAccessError, StaleFileError
from pytest_metaprompt.files import SourceText, changed_since, encode_like, read_text, write_back

LINES = st.lists(st.tuples(st.text("ab é{}", max_size=5), st.sampled_from(["\n", "\r\n", "\r"])), max_size=8)
BOMS = st.sampled_from(
    [(b"", "utf-8"), (b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")]
)


def a_file(folder: Path, raw: bytes) -> SourceText:
    path = folder / "routine.md"
    path.write_bytes(raw)
    return read_text(path)


@given(lines=LINES, last=st.text("ab é", max_size=4), mark=BOMS)
def test_the_same_text_gives_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[str, str]], last: str, mark: tuple[bytes, str]
) -> None:
    raw = mark[0] + ("".join(line + end for line, end in lines) + last).encode(mark[1])
    source = a_file(tmp_path_factory.getbasetemp(), raw)
    assert "\r" not in source.text
    assert encode_like(source, source.text) == raw


def test_a_changed_line_takes_the_usual_line_end_and_the_others_keep_theirs(tmp_path: Path) -> None:
    source = a_file(tmp_path, b"one\r\ntwo\nthree\r\n")
    write_back(source, "one\nTWO\nmore\nthree\n")
    assert source.path.read_bytes() == b"one\r\nTWO\r\nmore\r\nthree\r\n"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"\xef\xbb\xbfhi\r\n", b"\xef\xbb\xbfh\xc3\xa9\r\n"),
        ("hi\n".encode("utf-16"), "hé\n".encode("utf-16")),
        (b"caf\xe9\n", b"h\xe9\n"),
        (b"no end", "hé".encode()),
    ],
)
def test_encoding_byte_order_mark_and_last_line_end_are_kept(tmp_path: Path, raw: bytes, expected: bytes) -> None:
    source = a_file(tmp_path, raw)
    write_back(source, "hé\n" if source.text.endswith("\n") else "hé")
    assert source.path.read_bytes() == expected


def test_a_character_that_the_encoding_cannot_hold_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    source = a_file(tmp_path, b"caf\xe9\n")
    with pytest.raises(FileAccessError, match="cp1252, which cannot hold '→'"):
        write_back(source, "café → bar\n")
    assert source.path.read_bytes() == b"caf\xe9\n"


def test_the_mode_is_kept(tmp_path: Path) -> None:
    source = a_file(tmp_path, b"old\n")
    source.path.chmod(0o640)
    write_back(source, "new\n")
    assert stat.S_IMODE(source.path.stat().st_mode) == 0o640


def test_a_symlink_stays_a_symlink_and_its_file_is_written(tmp_path: Path) -> None:
    real = tmp_path / "real.md"
    real.write_bytes(b"old\n")
    link = tmp_path / "link.md"
    link.symlink_to("real.md")
    write_back(read_text(link), "new\n")
    assert link.is_symlink()
    assert real.read_bytes() == b"new\n"


def test_a_file_that_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    source = a_file(tmp_path, b"old\n")
    source.path.write_bytes(b"somebody else's\n")
    assert changed_since(source)
    with pytest.raises(StaleFileError, match="changed while the repair ran"):
        write_back(source, "new\n")
    assert source.path.read_bytes() == b"somebody else's\n"


def test_a_file_that_is_gone_meanwhile_is_not_made_again(tmp_path: Path) -> None:
    source = a_file(tmp_path, b"old\n")
    source.path.unlink()
    with pytest.raises(StaleFileError):
        write_back(source, "new\n")
    assert not source.path.exists()


def test_a_write_that_fails_leaves_the_old_text_and_no_rubbish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = a_file(tmp_path, b"old\n")

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(FileAccessError, match="No space left on device"):
        write_back(source, "new\n")
    assert source.path.read_bytes() == b"old\n"
    assert [path.name for path in tmp_path.iterdir()] == ["routine.md"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileAccessError, match=r"cannot read .*nowhere\.md: No such file"):
        read_text(tmp_path / "nowhere.md")


@pytest.mark.skipif(sys.platform == "win32", reason="the rights are those of POSIX")
def test_a_folder_that_may_not_be_read_is_told_and_the_file_left_alone(own_folder: Path) -> None:
    source = a_file(own_folder, b"old\n")
    own_folder.chmod(stat.S_IWUSR | stat.S_IXUSR)
    with pytest.raises(FileAccessError, match=r"cannot open the folder .*: Permission denied") as caught:
        write_back(source, "new\n")
    assert caught.value.hint == "give yourself the right to read it"
    assert source.path.read_bytes() == b"old\n"
