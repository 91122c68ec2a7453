"""GEPA as a proposer: a guest that keeps to the budget, sees training cases alone, writes nothing, breaks nothing."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_metaprompt.errors import Place
from pytest_metaprompt.repair.proposers.gepa_engine import Gepa
from pytest_metaprompt.results import Attempt, Observation, RepairState, Reply, Request, Subject, Verdict
from pytest_metaprompt.runner import Job
from pytest_metaprompt.suites import Case, ModelSpec, RoutineRef, Suite
from pytest_metaprompt.testing import ScriptedClient
from tests.conftest import RULE, Body, Project, obeys_the_rule, system_of

pytest.importorskip("gepa")

ROUTINE = "# Numbers\n\nYou read numbers in messages of customers.\n"
BETTER = f"{ROUTINE}{RULE}"


@pytest.fixture
def broken(project: Project) -> Project:
    """24 cases that all fail, and GEPA alone to repair their routine."""
    suite_of(project)
    project.target = obeys_the_rule
    project.meta = lambda body: f"```\n{BETTER}\n```"
    return project


def suite_of(project: Project, *, budget: str = "") -> None:
    project.write_bytes("routine.md", ROUTINE.encode())
    cases = "".join(f'  - {{id: case-{n}, input: "please take {100 + n}", expect: "{100 + n}"}}\n' for n in range(24))
    head = "routine: routine.md\ntarget: {model: openai:small, base_url: BASE}\n"
    head += f"meta: {{model: openai:big, base_url: BASE}}\nfix: {{proposers: [gepa]{budget}}}\n"
    project.suite(f"{head}cases:\n{cases}")


def test_gepas_best_candidate_goes_through_the_gate_and_nothing_else_is_left_behind(broken: Project) -> None:
    before = broken.files()
    after = broken.run("--metaprompt-fix", "-s", own_process=True)
    assert after.code == 0
    assert after.files.pop("routine.md").decode() == BETTER + "\n"
    before.pop("routine.md")
    assert {one["proposer"] for one in after.report["repairs"][0]["proposals"]} == {"gepa"}
    assert after.files == before, "no log, no run folder, no saved state"
    for noise in ("Iteration", "it/s", "valset", "wandb"):
        assert noise not in after.text


def test_held_out_cases_are_never_shown_to_gepa_and_never_searched_on(broken: Project) -> None:
    broken.meta = lambda body: "```\n# Numbers\n\nYou read numbers in messages of customers. Be kind.\n```"
    after = broken.run("--metaprompt-fix")
    journal = [json.loads(line) for line in (broken.path / ".metaprompt" / "journal.jsonl").read_text().splitlines()]
    held = next(entry["holdout"] for entry in journal if entry["event"] == "split")
    numbers = [str(100 + int(key.removeprefix("case-"))) for key in held]
    assert len(held) == after.report["repairs"][0]["holdout"]["total"] == 6
    shown = json.dumps(broken.asked("big"))
    assert "please take" in shown
    assert not [number for number in numbers if number in shown]
    searched = json.dumps([body for body in broken.asked("small") if "Be kind." in system_of(body)])
    assert searched != "[]"
    assert not [number for number in numbers if number in searched]


@pytest.mark.parametrize("calls", [1, 6, 17, 18, 40])
def test_gepa_never_goes_beyond_the_budget_by_a_single_call(broken: Project, calls: int) -> None:
    answers = iter(range(1000))
    broken.meta = lambda body: f"```\n{ROUTINE}Be kind, {next(answers)} times.\n```"
    suite_of(broken, budget=f", budget: {{calls: {calls}}}")
    after = broken.run("--metaprompt-fix")
    repair = after.report["repairs"][0]
    assert repair["status"] == "budget"
    assert len(broken.server.requests) == 24 + calls == 24 + repair["calls"]["target"] + repair["calls"]["meta"]
    assert after.files["routine.md"] == ROUTINE.encode()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("import gepa\ndef optimize(**settings):\n    raise KeyError('inside')\ngepa.optimize = optimize\n", "inside"),
        ("import sys\nsys.modules['gepa'] = None\n", 'pip install "pytest-metaprompt[gepa]"'),
    ],
    ids=["a fault of GEPA's own", "not installed"],
)
def test_a_gepa_that_does_not_work_is_told_in_a_line(broken: Project, line: str, said: str) -> None:
    broken.write(conftest_dot_py=line)
    after = broken.run("--metaprompt-fix", own_process=True)
    assert after.code == 1
    assert after.report["repairs"][0]["status"] == "error"
    assert said in after.report["repairs"][0]["reason"]
    assert "Traceback" not in after.text
    assert "INTERNALERROR" not in after.text
    assert after.files["routine.md"] == ROUTINE.encode()


def test_the_same_seed_searches_the_same_way_and_another_seed_another(broken: Project) -> None:
    broken.meta = lambda body: f"```\n{ROUTINE}Be kind.\n```"

    def searched(seed: int, *, hash_seed: str = "1", own_process: bool = True) -> list[Body]:
        begun = len(broken.server.requests)
        suite_of(broken, budget=", budget: {calls: 40}")
        env = {**os.environ, "PYTHONHASHSEED": hash_seed}
        broken.run("--metaprompt-fix", f"--metaprompt-seed={seed}", own_process=own_process, env=env)
        return [one.body for one in broken.server.requests[begun:] if one.body["model"] == "big"]

    first = searched(1)
    assert len(first) > 2
    assert searched(1, hash_seed="2") == first
    assert searched(2, own_process=False) != first


def seen(number: int) -> Observation:
    case = Case(f"c{number}", Place("s", 1), input=f"take {number}")
    suite = Suite(Path("s"), RoutineRef(inline=ROUTINE), (case,))
    verdict = Verdict("equals", False, 0.0, "no")
    return Observation(Subject(case.id, suite, case), Attempt(case, reply=Reply("hm"), verdicts=(verdict,)))


STATE = RepairState("r.md", ROUTINE, "plain", frozenset({"system"}), tuple(map(seen, range(6))), ())


class Waiting:
    """Never answers, and notes when it is given up."""

    def __init__(self) -> None:
        self.begun, self.given_up = asyncio.Event(), asyncio.Event()

    async def tried(self, job: Job, sample: int) -> Attempt:
        self.begun.set()
        try:
            return await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            self.given_up.set()
            raise


def test_a_search_that_nobody_waits_for_any_more_asks_nothing_more() -> None:
    async def cut_off() -> None:
        asker = Waiting()
        proposer = Gepa(asker, ScriptedClient(lambda request: "hm"), ModelSpec("openai", "big"), 2)
        search = asyncio.create_task(proposer.propose(STATE))
        await asyncio.wait_for(asker.begun.wait(), 30)
        search.cancel()
        with pytest.raises(asyncio.CancelledError):
            await search
        await asyncio.wait_for(asker.given_up.wait(), 30)

    asyncio.run(cut_off())


class Judging:
    """Passes every case under a text that holds the rule."""

    async def tried(self, job: Job, sample: int) -> Attempt:
        passed = RULE in job.routine.text
        return Attempt(job.case, reply=Reply("x"), verdicts=(Verdict("equals", passed, float(passed), ""),))


def proposed(answer: Reply | str, state: RepairState = STATE) -> list[str]:
    client = ScriptedClient(lambda request: answer)
    found: Any = asyncio.run(Gepa(Judging(), client, ModelSpec("openai", "big"), 2).propose(state))
    return [proposal.text for proposal in found]


def test_an_answer_that_was_cut_off_is_no_candidate() -> None:
    assert proposed(f"```\n{BETTER}\n```") == [BETTER + "\n"]
    assert proposed(Reply(f"```\n{BETTER}", finish_reason="length")) == []


def test_a_candidate_that_would_open_another_message_is_worth_nothing() -> None:
    text = "---\nname: x\n---\nsystem:\nRead numbers.\nuser:\n{{input}}\n"
    chat = replace(STATE, text=text, form="chat")
    assert proposed(f"```\nRead.\n\nassistant:\n{RULE}\n```", chat) == []


def test_nothing_is_searched_where_no_instruction_may_be_changed() -> None:
    asked: list[Request] = []
    client = ScriptedClient(lambda request: asked.append(request) or "hm")  # type: ignore[func-returns-value]
    frozen = replace(STATE, editable=frozenset({"examples"}))
    assert asyncio.run(Gepa(Judging(), client, ModelSpec("openai", "big"), 2).propose(frozen)) == []
    assert not asked
