"""Repairs whose process is killed, in every stage: the same command comes to the same text by the same decisions."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import pytest

from tests.conftest import RULE, Body, Project, append, envelope, obeys_the_rule, system_of, user_of

OLD = b"You read numbers.\r\nBe brief.\r\n"
HASH = "Write a hash in front of an order's number."
HEAD = """\
routine: routine.md
target: {model: openai:small, base_url: BASE}
meta: {model: openai:big, base_url: BASE}
cases:
"""
TELLS_ITS_ID = "import os, pathlib\npathlib.Path('pid.txt').write_text(str(os.getpid()))\n"
DIES_WHEN_IT_WRITES = """
import os, signal
replace = os.replace
def die(old, new):
    if str(new).endswith("routine.md"):
        os.kill(os.getpid(), signal.SIGKILL)
    replace(old, new)
os.replace = die
"""


@pytest.fixture
def two_rules(project: Project) -> Project:
    """24 cases that need two rules, learned one after the other; the first proposal of each round is of no use."""

    def target(body: Body) -> str:
        answer = obeys_the_rule(body)
        return f"#{answer}" if "order" in user_of(body) and HASH in system_of(body) else answer

    def meta(body: Body) -> str:
        knows_the_first = RULE in body["messages"][1]["content"].partition("failing cases")[0]
        return envelope(append("Be slow."), append(HASH if knows_the_first else RULE))

    cases = "".join(
        f'  - {{id: c{n}, input: "{"order" if n % 2 else "take"} {n}", expect: "{"#" if n % 2 else ""}{n}"}}\n'
        for n in range(100, 124)
    )
    project.write_bytes("routine.md", OLD)
    project.suite(HEAD + cases)
    project.target, project.meta = target, meta
    return project


def decisions(project: Project) -> list[Any]:
    """What the journal has of the last repair, without the times."""
    lines = [json.loads(line) for line in (project.path / ".metaprompt/journal.jsonl").read_text().splitlines()]
    begun = max(at for at, entry in enumerate(lines) if entry["event"] == "began")
    return [{key: value for key, value in entry.items() if key != "at"} for entry in lines[begun:]]


@pytest.mark.parametrize("stage", ["probe", "first proposal", "race", "last guard"])
def test_a_repair_that_is_killed_is_begun_again_and_comes_to_the_same_end(two_rules: Project, stage: str) -> None:
    project = two_rules
    assert project.run("--metaprompt-fix").code == 0
    written, decided = project.files()["routine.md"], decisions(project)
    assert RULE.encode() in written
    assert HASH.encode() in written
    asked = [request.body for request in project.server.requests]
    metas = [at for at, body in enumerate(asked) if body["model"] == "big"]
    at = {
        "probe": 26,
        "first proposal": metas[0],
        "race": metas[0] + 8,
        "last guard": len(asked) - 1,
    }[stage]

    project.write_bytes("routine.md", OLD)
    (project.path / ".metaprompt/journal.jsonl").unlink()
    project.write(conftest_dot_py=TELLS_ITS_ID)
    target, meta, begun = project.target, project.meta, len(project.server.requests)

    def dying(answer: Any) -> Any:
        def script(body: Body) -> Any:
            if len(project.server.requests) - begun == at + 1:
                os.kill(int((project.path / "pid.txt").read_text()), signal.SIGKILL)
            return answer(body)

        return script

    project.target, project.meta = dying(target), dying(meta)
    killed = project.run("--metaprompt-fix", own_process=True)
    assert killed.code == -signal.SIGKILL
    assert killed.files["routine.md"] == OLD
    project.target, project.meta = target, meta
    again = project.run("--metaprompt-fix", keep_cache=True)
    assert again.code == 0
    assert again.files["routine.md"] == written
    assert decisions(project) == decided


def test_a_process_that_dies_while_it_writes_leaves_the_old_text_and_the_next_one_writes(two_rules: Project) -> None:
    project = two_rules
    project.write(conftest_dot_py=DIES_WHEN_IT_WRITES)
    killed = project.run("--metaprompt-fix", own_process=True)
    assert killed.code == -signal.SIGKILL
    assert killed.files["routine.md"] == OLD
    project.write(conftest_dot_py="")
    again = project.run("--metaprompt-fix", keep_cache=True)
    assert again.code == 0
    assert again.files["routine.md"].endswith(HASH.encode() + b"\r\n")
    assert project.run("--metaprompt-revert").files["routine.md"] == OLD
