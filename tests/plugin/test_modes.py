"""What becomes of a proved repair in each mode."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RULE, Project, append, envelope, obeys_the_rule

SUITE = """\
routine: routine.md
target: {model: openai:small, base_url: BASE}
meta: {model: openai:big, base_url: BASE}
cases:
  - {id: a, input: "take 12", expect: "12"}
  - {id: b, input: "take 13", expect: "13"}
  - {id: c, input: "take 14", expect: "14"}
"""
PEXPECT = pytest.importorskip("pexpect")
OLD = "You read numbers.\nBe brief.\n"


@pytest.fixture
def broken(project: Project) -> Project:
    project.write_bytes("evals/routine.md", OLD.encode())
    project.suite(SUITE, name="evals/orders")
    project.target = obeys_the_rule
    project.meta = lambda body: envelope(append(RULE))
    return project


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@b.example"]
    done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, text=True)
    return done.stdout


def test_a_patch_leaves_the_file_alone_and_git_applies_it(broken: Project) -> None:
    git(broken.path, "init", "-q")
    after = broken.run("--metaprompt-fix-mode=patch")
    assert after.files["evals/routine.md"] == OLD.encode()
    assert after.report["repairs"][0]["status"] == "proposed"
    assert "1 repair written to" in after.text
    assert "git apply metaprompt.patch" in after.text
    git(broken.path, "apply", "metaprompt.patch")
    assert (broken.path / "evals/routine.md").read_text() == f"{OLD}{RULE}\n"


def test_a_patch_can_be_applied_outside_of_a_repository_and_where_names_are_odd(broken: Project) -> None:
    broken.write_bytes("evals/my röutine.md", OLD.encode())
    broken.suite(SUITE.replace("routine.md", "my röutine.md"), name="evals/orders")
    broken.run("--metaprompt-fix-mode=patch")
    git(broken.path, "apply", "metaprompt.patch")
    assert (broken.path / "evals/my röutine.md").read_text() == f"{OLD}{RULE}\n"


def test_a_patch_file_alone_chooses_the_mode(broken: Project) -> None:
    after = broken.run("--metaprompt-patch=out.patch")
    assert after.files["evals/routine.md"] == OLD.encode()
    assert b"+Answer with the number only." in after.files["out.patch"]


@pytest.mark.parametrize("content", [b"You read numbers.\r\nBe brief.\r\n", "\ufeffLies Zahlen für uns.".encode()])
def test_a_patch_keeps_line_ends_and_marks(broken: Project, content: bytes) -> None:
    broken.write_bytes("evals/routine.md", content)
    git(broken.path, "init", "-q")
    git(broken.path, "config", "core.autocrlf", "false")
    broken.run("--metaprompt-fix-mode=patch")
    assert (broken.path / "evals/routine.md").read_bytes() == content
    git(broken.path, "apply", "metaprompt.patch")
    patched = (broken.path / "evals/routine.md").read_bytes()
    end = b"\r\n" if b"\r\n" in content else b""
    assert patched == content + (b"" if content.endswith(b"\n") else b"\n") + RULE.encode() + end


def test_two_routines_in_one_file_are_one_patch(broken: Project) -> None:
    git(broken.path, "init", "-q")
    text = "FIRST = 'You read numbers.'\n\n\nSECOND = 'You read more numbers.'\n"
    broken.write_bytes("evals/prompts.py", text.encode())
    (broken.path / "evals/orders.metaprompt.yaml").unlink()
    for name in ("FIRST", "SECOND"):
        broken.suite(SUITE.replace("routine.md", f"prompts.py:{name}"), name=f"evals/{name}")
    broken.run("--metaprompt-fix-mode=patch")
    git(broken.path, "apply", "metaprompt.patch")
    namespace: dict[str, Any] = {}
    exec((broken.path / "evals/prompts.py").read_text(), namespace)
    assert [namespace[name].endswith(RULE) for name in ("FIRST", "SECOND")] == [True, True]


def test_suggestions_for_two_routines_in_one_file_name_its_lines_as_they_are(broken: Project) -> None:
    (broken.path / "evals/orders.metaprompt.yaml").unlink()
    file = 'FIRST = """\\\nYou read numbers.\n"""\n\nSECOND = """\\\nYou read more numbers.\n"""\n'
    broken.write_bytes("evals/prompts.py", file.encode())
    for name in ("FIRST", "SECOND"):
        broken.suite(SUITE.replace("routine.md", f"prompts.py:{name}"), name=f"evals/{name}")
    text = broken.run("--metaprompt-patch=review.md").files["review.md"].decode()
    lines = file.split("\n")
    named = [int(number) for number in re.findall(r"`evals/prompts.py`, line (\d+)", text)]
    assert [lines[at - 1] for at in named] == ["You read numbers.", "You read more numbers."]
    assert text.count(f"\n{RULE}\n") == 2


def test_suggestions_name_the_file_and_the_lines_that_they_replace(broken: Project) -> None:
    after = broken.run("--metaprompt-patch=review.md")
    text = after.files["review.md"].decode()
    assert text == "`evals/routine.md`, line 2\n\n```suggestion\nBe brief.\nAnswer with the number only.\n```\n"


def test_without_a_repair_no_patch_is_written(broken: Project) -> None:
    broken.meta = lambda body: envelope(verdict="no_change", reason="fine as it is")
    after = broken.run("--metaprompt-fix-mode=patch")
    assert "metaprompt.patch" not in after.files
    assert "no repair was proved, so metaprompt.patch was not written" in after.text


def test_review_without_a_terminal_is_a_usage_error_before_anything_is_asked(broken: Project) -> None:
    after = broken.run("--metaprompt-fix-mode=review", own_process=True)
    assert after.code == 4
    assert "mode review asks questions, and there is no terminal: use mode diff or patch" in after.text
    assert broken.asked("small") == []


def test_in_ci_a_review_that_nobody_asked_to_write_is_only_shown(broken: Project) -> None:
    after = broken.run("--metaprompt-fix-mode=review", env={"CI": "true"})
    assert after.report["repairs"][0]["status"] == "proposed"
    assert after.files["evals/routine.md"].decode() == OLD
    assert "repairs are shown and not written" in after.text


@pytest.fixture
def terminal(broken: Project, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("CI", "OPENAI_API_KEY", "OPENAI_BASE_URL", "PYTEST_ADDOPTS", "VISUAL"):
        monkeypatch.delenv(name, raising=False)

    def start(editor: str = "false") -> Any:
        monkeypatch.setenv("EDITOR", editor)
        options = "--metaprompt-fix-mode=review --metaprompt-report=report.json -p no:cacheprovider"
        child = broken.pytester.spawn_pytest(options, expect_timeout=60)
        child.expect_exact("[e]dit: ")
        return child

    return start


@pytest.mark.parametrize(("answer", "status", "end"), [("y", 0, f"{RULE}\n"), ("n", 1, ""), ("end of input", 1, "")])
def test_review_shows_the_evidence_and_writes_only_what_is_agreed_to(
    broken: Project, terminal: Any, answer: str, status: int, end: str
) -> None:
    child = terminal()
    assert b"after     3/3 passed" in child.before
    child.sendeof() if answer == "end of input" else child.sendline(answer)
    child.expect(PEXPECT.EOF)
    child.close()
    assert child.exitstatus == status
    assert (broken.path / "evals/routine.md").read_text() == OLD + end


def test_an_edited_repair_is_measured_and_refused_if_it_is_not_better(broken: Project, terminal: Any) -> None:
    editor = broken.write_bytes("worse.sh", b"#!/bin/sh\necho 'You read numbers.' > $1\n")
    editor.chmod(0o755)
    child = terminal(str(editor))
    child.sendline("e")
    child.expect("not taken: the edited text is not better: it fixes no case")
    child.expect_exact("[e]dit: ")
    child.sendline("n")
    child.expect(PEXPECT.EOF)
    assert (broken.path / "evals/routine.md").read_text() == OLD


@pytest.mark.parametrize("editor", ["./spoils.sh", "'vi", "no-such-editor"])
def test_an_editor_that_spoils_the_text_or_is_no_command_gives_nothing(
    broken: Project, terminal: Any, editor: str
) -> None:
    broken.write_bytes("spoils.sh", b"#!/bin/sh\nprintf '\\377\\376' > $1\n").chmod(0o755)
    child = terminal(editor)
    child.sendline("e")
    child.expect("the editor gave nothing: ")
    child.expect_exact("[e]dit: ")
    child.sendline("n")
    child.expect(PEXPECT.EOF)
    assert (broken.path / "evals/routine.md").read_text() == OLD


def test_ctrl_c_at_the_question_writes_nothing(broken: Project, terminal: Any) -> None:
    child = terminal()
    child.sendintr()
    child.expect(PEXPECT.EOF)
    child.close()
    assert child.exitstatus == 2
    assert b"Traceback" not in child.before
    assert (broken.path / "evals/routine.md").read_text() == OLD


def test_an_edited_repair_that_holds_is_written_as_edited(broken: Project, terminal: Any) -> None:
    editor = broken.write_bytes("better.sh", b"#!/bin/sh\necho 'Really.' >> $1\n")
    editor.chmod(0o755)
    child = terminal(str(editor))
    child.sendline("e")
    child.expect("edited by hand, measured on every case")
    child.expect_exact("[e]dit: ")
    child.sendline("y")
    child.expect(PEXPECT.EOF)
    assert (broken.path / "evals/routine.md").read_text() == f"{OLD}{RULE}\nReally.\n"
    repair = json.loads((broken.path / "report.json").read_text())["repairs"][0]
    assert repair["calls"]["target"] + repair["calls"]["meta"] == len(broken.server.requests) - 3
