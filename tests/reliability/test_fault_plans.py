"""A thousand plans of what may go wrong: whatever a server does, nothing is reported that did not happen."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pytest_metaprompt.clients.cache import CachedClient, MemoryStore
from pytest_metaprompt.clients.ledger import CountedClient, Ledger
from pytest_metaprompt.clients.openai import OpenAIClient
from pytest_metaprompt.clients.pace import Paces
from pytest_metaprompt.errors import Place
from pytest_metaprompt.jobs import run_jobs
from pytest_metaprompt.routines import parse_routine
from pytest_metaprompt.runner import Asker, Job
from pytest_metaprompt.scorers import open_scorer
from pytest_metaprompt.suites import Assertion, Case, ModelSpec, RoutineRef, Suite
from pytest_metaprompt.testing import FakeClock, Fault, ScriptedServer, completion

CASES = 8
PLANS = 1000
BLOCKS = 20

ROUTINE = parse_routine("Answer with the number only.", name="r", form="plain")


@dataclass
class Plan:
    """What the server does, try by try of each case, and what it did."""

    seed: int
    tries: dict[str, list[object]]
    concurrency: int
    repeat: int
    retries: int | None
    served: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, case: str) -> object:
        with self.lock:
            left = self.tries[case]
            chosen = left.pop(0) if left else "right"
            self.served[case] += 1
            if chosen == "right":
                self.answered[case] += 1
        if chosen == "right":
            return case
        return f"not {case}" if chosen == "wrong" else chosen


def fault(rng: random.Random) -> object:
    """One thing that a server may do, often or seldom."""
    weighted = [
        ("wrong", 4),
        (Fault.status(429), 6),
        (Fault.status(429, retry_after_s=rng.choice((0, 1, 30))), 3),
        (Fault.status(429, headers={"retry-after-ms": "250", "x-ratelimit-remaining-requests": "0"}), 2),
        (Fault.status(rng.choice((500, 502, 503, 504, 529)), "overloaded"), 6),
        (Fault.status(rng.choice((400, 403, 404, 422))), 2),
        (Fault.broken_off(), 3),
        (Fault.reset(), 3),
        (Fault.truncated_json(), 2),
        (Fault.no_choices(), 2),
        (Fault.page(), 2),
        (Fault(body=""), 1),
        (Fault(body="null"), 1),
        (Fault(body='{"error": {"message": "inside a 200"}}'), 1),
        (Fault(body=json.dumps(completion("right")), content_type="text/plain", code=204), 0.2),
        (Fault(body=json.dumps({**completion(""), "usage": "lots"})), 1),
        (Fault(body="{" * 100_000), 0.3),
        (Fault(500, b"\xff\xfe".decode("latin-1"), headers={"X-Should-Retry": "false"}), 1),
        (Fault.out_of_quota(), 0.3),
        (Fault.status(401), 0.3),
    ]
    kinds, weights = zip(*weighted, strict=True)
    return rng.choices(kinds, weights)[0]


def plan_for(seed: int) -> Plan:
    rng = random.Random(seed)

    trouble = rng.choice((0.2, 0.6, 0.95))
    tries = {
        f"{seed}-{number}": [fault(rng) if rng.random() < trouble else "right" for _ in range(rng.randint(0, 5))]
        for number in range(CASES)
    }
    return Plan(seed, tries, rng.choice((1, 3, 8)), rng.choice((1, 1, 2)), rng.choice((None, 0, 1, 4)))


async def run(plan: Plan, base_url: str):
    """The results by case, and what the ledger says."""
    clock, ledger, store = FakeClock(), Ledger(), MemoryStore()
    params = {} if plan.retries is None else {"max_retries": plan.retries}
    spec = ModelSpec("openai", "m", params, base_url=base_url)
    opened = OpenAIClient(spec, environ={}, paces=Paces(clock))
    client = CountedClient(CachedClient(opened, store), ledger, role="target")
    cases = [Case(name, Place("s", 1), input=name, assertions=(Assertion("equals", name),)) for name in plan.tries]
    suite = Suite(Path("s.metaprompt.yaml"), RoutineRef(), tuple(cases), target=spec, repeat=plan.repeat, min_pass=1)
    asker = Asker(lambda suite, spec: client, lambda suite, check: open_scorer(check, base=Path()))
    results, faults = {}, {}
    try:
        await run_jobs(
            asker,
            [Job(suite, case, ROUTINE) for case in cases],
            limit=plan.concurrency,
            report=lambda index, result: results.update({cases[index].id: result}),
            broken=faults.__setitem__,
        )
    finally:
        await opened.close()
    assert faults == {}
    return results, ledger.total


@pytest.mark.parametrize("block", range(BLOCKS))
def test_no_pass_without_a_valid_answer_and_no_call_that_is_not_counted(block):
    plans: dict[str, Plan] = {}

    def script(body):
        case = body["messages"][-1]["content"]
        return plans[case.partition("-")[0]].answer(case)

    outcomes = defaultdict(int)
    with ScriptedServer(script) as server:
        for seed in range(block * PLANS // BLOCKS, (block + 1) * PLANS // BLOCKS):
            plan = plans[str(seed)] = plan_for(seed)
            results, total = asyncio.run(run(plan, server.base_url))
            assert sorted(results) == sorted(plan.tries), f"plan {seed} lost a case"
            for case, result in results.items():
                outcomes[result.outcome] += 1
                assert len(result.attempts) == plan.repeat
                passed = sum(attempt.passed for attempt in result.attempts)
                assert passed == plan.answered[case], f"plan {seed}, {case}: {result}"
            assert total.calls + total.retries == plan.served.total(), f"plan {seed}: {total}"
    assert min(outcomes[outcome] for outcome in ("passed", "failed", "error")) > 0
