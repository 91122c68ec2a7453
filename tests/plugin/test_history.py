"""The history of suites: what runs leave in it, and what is told of it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from pytest_metaprompt.commands import main
from pytest_metaprompt.reports.history import HistoryEntry, add_to_history, read_history
from tests.conftest import Project, number_of

SUITE = """\
routine: routine.md
target: {model: openai:small, base_url: BASE}
cases:
  - {id: good, input: "take 12", expect: "12"}
  - {id: bad, input: "take 13", expect: "14"}
"""


@pytest.fixture
def small(project: Project) -> Project:
    return project.reads_numbers(SUITE)


def entry(at: int, *, suite: str = "orders.metaprompt.yaml", passed: int = 1) -> HistoryEntry:
    return HistoryEntry(suite, f"2026-11-{at:02}T10:00:00+00:00", "openai:small", passed, 4, 0, 1, None, 2.5)


def test_every_run_of_a_whole_suite_is_kept(small: Project) -> None:
    small.run()
    small.run("-k", "good")
    small.target = lambda body: "14" if "13" in str(body) else number_of(body)
    small.run("--metaprompt-no-cache")
    kept = read_history(small.path / ".metaprompt" / "history.db")
    assert [(one.suite, one.passed, one.total, one.target) for one in kept] == [
        ("orders.metaprompt.yaml", 1, 2, "openai:small"),
        ("orders.metaprompt.yaml", 2, 2, "openai:small"),
    ]


def test_in_ci_only_a_file_that_is_named_is_written(small: Project) -> None:
    small.run(env={"CI": "true"})
    assert not (small.path / ".metaprompt" / "history.db").exists()
    small.run("--metaprompt-history=out/history.db", env={"CI": "true"})
    assert len(read_history(small.path / "out" / "history.db")) == 1


def test_a_file_that_is_none_of_ours_is_said_and_fails_nothing(small: Project) -> None:
    path = small.write_bytes("notes.db", b"these are my notes, and they are longer than a header of SQLite is")
    after = small.run("-k", "good or bad", "--metaprompt-history=notes.db", "--metaprompt-report=r.html")
    assert "the history" in after.text
    assert "cannot be written: file is not a database" in after.text
    assert "Traceback" not in after.text
    assert path.read_bytes().startswith(b"these are my notes")


def test_the_html_report_shows_the_history(small: Project) -> None:
    small.run()
    after = small.run("--metaprompt-report=r.html")
    assert b"History of orders.metaprompt.yaml" in after.files["r.html"]


def test_the_command_prints_a_table_and_a_plot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "history.db"
    add_to_history(path, [entry(1), entry(2, passed=3)])
    assert main(["history", f"--file={path}"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == [
        "orders.metaprompt.yaml",
        "  when (UTC)        passed  accuracy (95 %)   errors  flaky  cost  time   target",
        "  2026-11-01 10:00  1/4     0.25 (0.05-0.70)  0       1      ?     2.5 s  openai:small",
        "  2026-11-02 10:00  3/4     0.75 (0.30-0.95)  0       1      ?     2.5 s  openai:small",
    ]
    assert "  accuracy, run by run" in lines
    assert not any("\x1b" in line for line in lines)


def test_without_plotext_there_is_only_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_metaprompt.commands.history.find_spec", lambda name: None)
    add_to_history(tmp_path / "h.db", [entry(1), entry(2)])
    main(["history", f"--file={tmp_path / 'h.db'}"])
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_one_suite_and_the_last_runs_may_be_asked_for_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    add_to_history(tmp_path / ".metaprompt" / "history.db", [entry(day) for day in (1, 2, 3)] + [entry(1, suite="b")])
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")
    assert main(["history", "orders.metaprompt.yaml", "--last", "2", "--json"]) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    assert [one["at"][:10] for one in found] == ["2026-11-02", "2026-11-03"]


def test_an_unknown_suite_and_a_missing_file_say_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "history.db"
    assert main(["history", f"--file={path}"]) == 1
    assert "--metaprompt-history=FILE" in capsys.readouterr().err
    add_to_history(path, [entry(1)])
    assert main(["history", "order.metaprompt.yaml", f"--file={path}"]) == 1
    assert "did you mean 'orders.metaprompt.yaml'?" in capsys.readouterr().err


def test_only_the_newest_runs_of_a_suite_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    for day in range(1, 8):
        add_to_history(path, [entry(day), entry(day, suite="b")] if day < 3 else [entry(day)], kept=3)
    assert [one.at[8:10] for one in read_history(path, suite="orders.metaprompt.yaml")] == ["05", "06", "07"]
    assert len(read_history(path, suite="b")) == 2
    with sqlite3.connect(path) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
