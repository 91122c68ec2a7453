"""Where routines live: the routine that is read there, its name, and the file after a new text was put there."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from pytest_metaprompt.errors import FileAccessError, RoutineError, StaleFileError
from pytest_metaprompt.repair.writing import unified_diff, write_objection, write_routine
from pytest_metaprompt.routines import Routine, open_routine, replace_part
from pytest_metaprompt.suites import Form, JsonAt, Locator, PythonName, RoutineRef, SectionAt, YamlAt

CHAT = '[{"role": "system", "content": "S"}, {"role": "user", "content": "{{x}}"}]'


def routine(folder: Path, name: str, text: str | bytes, at: Locator | None = None, form: Form | None = None) -> Routine:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return open_routine(RoutineRef(path=path, at=at, form=form), root=folder)


def write(old: Routine, text: str, part: int = 0) -> bytes:
    write_routine(old, replace_part(old, part, text))
    assert old.home is not None
    return old.home.source.path.read_bytes()


@pytest.mark.parametrize(
    ("file", "at", "form", "name", "text", "wanted"),
    [
        ("a.md", None, None, "a.md", "old\n", "new\n"),
        ("a.yaml", YamlAt(("prompts", 1)), "user", "a.yaml::prompts.1", "prompts: [x, old]\n", "prompts: [x, new]\n"),
        ("a.json", JsonAt(("p", 0)), "user", "a.json::p.0", '{"p": ["old"], "n": 1.0}', '{"p": ["new"], "n": 1.0}'),
        (
            "a.py",
            PythonName("A.B"),
            None,
            "a.py:A.B",
            "class A:\n    B = 'old'  # é\n",
            "class A:\n    B = 'new'  # é\n",
        ),
        ("a.txt", SectionAt(1), "user", "a.txt#2", "x\n---\nold\n---\n", "x\n---\nnew\n---\n"),
        ("a.json", None, None, "a.json", CHAT, CHAT.replace('"S"', '"new"')),
        (
            "a.yaml",
            YamlAt(("prompts", 0)),
            "messages-json",
            "a.yaml::prompts.0",
            f"prompts:\n  - '{CHAT}'\n",
            f"prompts:\n  - '{CHAT}'\n".replace('"S"', '"new"'),
        ),
    ],
)
def test_a_new_text_stands_where_the_old_one_stood(
    tmp_path: Path, file: str, at: Locator | None, form: Form | None, name: str, text: str, wanted: str
) -> None:
    old = routine(tmp_path, file, text, at, form)
    assert old.name == name
    assert write_objection(old, allow_dirty=True) is None
    assert write(old, "new") == wanted.encode()
    assert open_routine(RoutineRef(path=tmp_path / file, at=at, form=form), root=tmp_path).parts[0].text == "new"


@pytest.mark.parametrize("form", ["user", "plain"])
def test_a_text_of_its_own_is_one_message(tmp_path: Path, form: Form) -> None:
    old = routine(tmp_path, "a.txt", "Say {{x}}.\n", form=form)
    role = {"user": "user", "plain": "system"}[form]
    assert [(part.role, part.text) for part in old.parts] == [(role, "Say {{x}}.")]
    assert old.editable == {role, "examples"}
    assert not old.takes_examples


def test_byte_order_mark_line_ends_and_encoding_stay(tmp_path: Path) -> None:
    text = "# é\r\na: |\r\n  old\r\n\r\nb: 🍌\r\n"
    utf16 = codecs.BOM_UTF16_LE + text.encode("utf-16-le")
    for name, encode in (("a.yaml", None), ("b.yaml", "utf-16-le")):
        raw = utf16 if encode else codecs.BOM_UTF8 + text.encode()
        new = write(routine(tmp_path, name, raw, YamlAt(("a",))), "new\nlines")
        wanted = text.replace("old", "new\r\n  lines")
        assert new == (
            codecs.BOM_UTF16_LE + wanted.encode("utf-16-le") if encode else codecs.BOM_UTF8 + wanted.encode()
        )


def test_a_file_of_windows_1252_keeps_its_encoding(tmp_path: Path) -> None:
    old = routine(tmp_path, "p.py", b"# caf\xe9\nA = 'old'\n", PythonName("A"))
    assert write(old, "new café") == b"# caf\xe9\nA = 'new caf\xe9'\n"
    with pytest.raises(FileAccessError, match="cannot hold '漢'"):
        write(routine(tmp_path, "p.py", b"# caf\xe9\nA = 'old'\n", PythonName("A")), "漢")


def test_a_changed_file_is_not_written(tmp_path: Path) -> None:
    old = routine(tmp_path, "p.py", "A = 'old'\n", PythonName("A"))
    (tmp_path / "p.py").write_text("A = 'old'\nB = 1\n")
    with pytest.raises(StaleFileError):
        write(old, "new")
    assert (tmp_path / "p.py").read_text() == "A = 'old'\nB = 1\n"


def test_a_text_that_would_not_read_back_is_not_written(tmp_path: Path) -> None:
    """A lone carriage return cannot stand in a file whose lines it would end."""
    old = routine(tmp_path, "rules.md", "old\n")
    with pytest.raises(FileAccessError, match="would not read back as it is, so nothing was written"):
        write(old, "new\rlines")
    assert (tmp_path / "rules.md").read_bytes() == b"old\n"


def test_the_diff_is_that_of_the_whole_file(tmp_path: Path) -> None:
    old = routine(tmp_path, "lib/p.py", 'X = 1\nA = "old"', PythonName("A"))
    assert unified_diff(old, replace_part(old, 0, "new")) == (
        "--- a/lib/p.py\n+++ b/lib/p.py\n@@ -1,2 +1,2 @@\n X = 1\n"
        '-A = "old"\n\\ No newline at end of file\n+A = "new"\n\\ No newline at end of file\n'
    )


def test_the_same_place_is_the_same_home_behind_a_symlink(tmp_path: Path) -> None:
    one = routine(tmp_path, "p.py", 'A = "old"\nB = "old"\n', PythonName("A"))
    (tmp_path / "q.py").symlink_to(tmp_path / "p.py")
    two, other = (
        open_routine(RoutineRef(path=tmp_path / "q.py", at=PythonName(name)), root=tmp_path) for name in ("A", "B")
    )
    assert one.home is not None
    assert two.home is not None
    assert other.home is not None
    assert one.home.key == two.home.key != other.home.key


def test_what_cannot_be_changed_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    old = routine(tmp_path, "a.yaml", "a: &t text\nb: *t\n", YamlAt(("a",)))
    assert write_objection(old, allow_dirty=True) == (
        "a.yaml: the text at a is repeated elsewhere in the file, by an alias (write it out in each place)"
    )
    lone = open_routine(RoutineRef(inline="text"), root=tmp_path)
    assert write_objection(lone, allow_dirty=True) == "the routine stands in no file, so there is nothing to write to"


def test_a_place_without_a_text_says_which_file(tmp_path: Path) -> None:
    with pytest.raises(RoutineError) as caught:
        routine(tmp_path, "a.yaml", "a: [1]\n", YamlAt(("a", 0)))
    assert str(caught.value) == "a.yaml: a.0 must be a text (put it in quotes)"
