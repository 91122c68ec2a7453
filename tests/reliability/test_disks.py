"""Full disks and folders that may not be written: said in a line, and nothing half written."""

from __future__ import annotations

import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_metaprompt.testing import ScriptedServer

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the limits are those of POSIX")

RULE = "Answer with the number only."
ROUTINE = "Which number is it?\n"
SUITE = f"""
routine: {{inline: "{RULE}"}}
target: {{model: "openai:small", base_url: BASE}}
cases:
{"".join(f'  - {{id: c{n}, input: "number {n}", expect: "{n}"}}{chr(10)}' for n in range(40))}
"""


def run(folder: Path, *args: str, largest_file: int | None = None):
    """Run pytest in a process of its own, whose files may not be larger than so many bytes: a disk that is full."""

    def limit() -> None:
        if largest_file is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

    with ScriptedServer(lambda body: body["messages"][-1]["content"].split()[1]) as server:
        (folder / "s.metaprompt.yaml").write_text(SUITE.replace("BASE", server.base_url))
        command = [sys.executable, "-B", "-m", "pytest", "-p", "no:cacheprovider", *args]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, preexec_fn=limit)
    return done.returncode, done.stdout + done.stderr


def test_a_report_that_finds_no_room_leaves_the_old_one_and_says_so(tmp_path):
    report = tmp_path / "report.json"
    report.write_text("the old report")
    code, text = run(tmp_path, "--metaprompt-report=report.json", largest_file=2000)
    assert code == 0
    assert "the report was not written" in text
    assert "File too large" in text
    assert report.read_text() == "the old report"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".metaprompt", "report.json", "s.metaprompt.yaml"]


def test_a_report_onto_a_full_device_is_told(tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    (tmp_path / "full.json").symlink_to("/dev/full")
    code, text = run(tmp_path, "--metaprompt-report=full.json")
    assert code == 0
    assert "the report was not written" in text
    assert "No space left on device" in text
    assert "Traceback" not in text


def test_a_report_into_a_folder_that_may_not_be_written_is_told(tmp_path):
    if os.getuid() == 0:
        pytest.skip("root may write everywhere")
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(stat.S_IRUSR | stat.S_IXUSR)
    code, text = run(tmp_path, "--metaprompt-report=closed/report.json")
    assert code == 0
    assert "the report was not written" in text
    assert "Permission denied" in text


def test_a_report_where_a_file_stands_for_its_folder_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    code, text = run(tmp_path, "--metaprompt-report=file/report.json")
    assert code == 0
    assert "the report was not written" in text
    assert "Traceback" not in text


REPAIR = f"""
import resource, sys
from pathlib import Path
from pytest_metaprompt.errors import FileAccessError
from pytest_metaprompt.files import read_text, write_back

source = read_text(Path("routine.md"))
resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
try:
    write_back(source, source.text + {RULE!r} * 100)
except FileAccessError as error:
    print(error)
"""


def test_a_routine_that_finds_no_room_stays_as_it_was(tmp_path):
    routine = tmp_path / "routine.md"
    routine.write_text(ROUTINE)
    done = subprocess.run([sys.executable, "-c", REPAIR], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "cannot write routine.md: File too large\n"
    assert routine.read_text() == ROUTINE
    assert [path.name for path in tmp_path.iterdir()] == ["routine.md"]
