"""Beds on the real local model: the tasks of the example project, SNIPS intents and ten Banking77 labels.

No meta model runs here without a key, so the arms compete with worked examples: ours, DSPy's bootstrap with random
search, and random sets. Replies are asked at temperature 0 and repeat, so the benchmark keeps them: what an arm asks
is counted all the same.
"""

from __future__ import annotations

import asyncio
import csv
import json
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import yaml

from benchmarks.bed import Candidate, Chat, Question, Truth
from pytest_metaprompt.clients.local import LocalClient
from pytest_metaprompt.results import Request
from pytest_metaprompt.routines import parse_routine
from pytest_metaprompt.suites import Message, ModelSpec

ROOT = Path(__file__).parent.parent
DATA = ROOT.parent / "shared" / "data"
MODEL = "smollm2-135m"

INTENTS = ("AddToPlaylist", "BookRestaurant", "GetWeather")
BANKING = (
    "activate_my_card",
    "card_arrival",
    "card_delivery_estimate",
    "card_linking",
    "card_not_working",
    "card_payment_fee_charged",
    "card_payment_not_recognised",
    "declined_card_payment",
    "lost_or_stolen_card",
    "pending_card_payment",
)

Rows = Sequence[tuple[str, str]]


class MissingError(Exception):
    """The data of a bed is not on this machine; the message says what."""


@dataclass
class LocalBed:
    """A task for the local model, its rows split by the seed."""

    name: str
    base: Candidate
    train: tuple[Question, ...]
    sealed: tuple[Question, ...]
    same: Callable[[str, str], bool]
    max_tokens: int
    has_meta: bool = False
    _known: dict[Candidate, list[list[bool]]] = field(default_factory=dict)

    def reply(self, messages: Chat, sample: int) -> str:
        """The model's answer; every sample is the same."""
        return _model().ask(messages, self.max_tokens)

    def passes(self, question: Question, reply: str) -> bool:
        """Whether an answer is right."""
        return self.same(reply.strip(), question.answer)

    def advise(self, prompt: str, number: int, count: int) -> list[str]:
        """There is no meta model here."""
        raise NotImplementedError

    def truth(self, candidate: Candidate) -> Truth:
        """What the model answers under the candidate. Cases that it shows with their answers count for nobody."""
        old, new = self._verdicts(self.base), self._verdicts(candidate)
        shown = {user for user, _ in candidate.turns}
        fixed, broken = (
            [sum(self._changes(old[side], new[side], side, shown, sign)) for side in (0, 1)] for sign in (True, False)
        )
        return Truth(
            train=sum(new[0]) / len(new[0]),
            sealed=sum(new[1]) / len(new[1]),
            fixed=fixed[0],
            broken=broken[0],
            lowered=0,
            sealed_fixed=fixed[1],
            sealed_broken=broken[1],
            wanted=len(old[0]) - sum(old[0]),
        )

    def _changes(self, old: list[bool], new: list[bool], side: int, shown: set[str], better: bool) -> list[bool]:
        questions = (self.train, self.sealed)[side]
        return [
            now is better and was is not better and question.text not in shown
            for question, was, now in zip(questions, old, new, strict=True)
        ]

    def _verdicts(self, candidate: Candidate) -> list[list[bool]]:
        if candidate not in self._known:
            self._known[candidate] = [
                [self.passes(one, self.reply(candidate.messages(one.text), 0)) for one in side]
                for side in (self.train, self.sealed)
            ]
        return self._known[candidate]


class _Model:
    """The model in this process, with an event loop of its own so that anybody may call it."""

    def __init__(self) -> None:
        self._spec = ModelSpec("local", MODEL)
        self._client = LocalClient(self._spec, root=ROOT)
        self._loop = asyncio.new_event_loop()
        self._known: dict[tuple[str, int], str] = {}
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def ask(self, messages: Chat, max_tokens: int) -> str:
        """The reply at temperature 0."""
        key = json.dumps(messages), max_tokens
        if key not in self._known:
            said = tuple(Message(one["role"], one["content"]) for one in messages)
            spec = ModelSpec("local", MODEL, params={"temperature": 0, "max_tokens": max_tokens})
            request = Request(spec, said)
            reply = asyncio.run_coroutine_threadsafe(self._client.ask(request), self._loop).result()
            self._known[key] = reply.text
        return self._known[key]


@cache
def _model() -> _Model:
    return _Model()


def _exactly(reply: str, answer: str) -> bool:
    return reply == answer


def _same_json(reply: str, answer: str) -> bool:
    try:
        return bool(json.loads(reply) == json.loads(answer))
    except ValueError:
        return False


@dataclass(frozen=True)
class _Task:
    rows: Callable[[], Rows]
    system: Callable[[], str]
    train: int
    sealed: int
    max_tokens: int = 12
    same: Callable[[str, str], bool] = _exactly


def open_local(name: str, seed: int) -> LocalBed:
    """The bed of a name, its rows drawn by the seed.

    Raises:
        MissingError: Its data is not here.
    """
    task = LOCAL[name]
    rows = list(dict(task.rows()).items())
    random.Random(f"{name}:{seed}").shuffle(rows)
    questions = [Question(f"q{at}", text, answer) for at, (text, answer) in enumerate(rows)]
    train, sealed = questions[: task.train], questions[task.train :][: task.sealed]
    return LocalBed(name, Candidate(task.system()), tuple(train), tuple(sealed), task.same, task.max_tokens)


def _example_system(name: str) -> str:
    text = (ROOT / "example_project" / "routines" / f"{name}.prompty").read_text(encoding="utf-8")
    return parse_routine(text, name=name, form="chat").parts[0].text.strip()


def _example_cases(name: str) -> Rows:
    """The cases of a suite, each with its one expected answer; JSON as compact text."""
    path = ROOT / "example_project" / "evals" / f"{name}.metaprompt.yaml"
    cases = yaml.safe_load(path.read_text(encoding="utf-8"))["cases"]
    return [(str(case["vars"]["message"]).strip(), _answer(case)) for case in cases]


def _answer(case: Mapping[str, object]) -> str:
    if "expect" in case:
        return str(case["expect"])
    checks = case["assert"]
    assert isinstance(checks, list)
    return json.dumps(checks[0]["value"])


def _reviews() -> Rows:
    path = ROOT / "example_project" / "cases" / "reviews.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return [(row["review"], row["label"]) for row in csv.DictReader(file)]


def _snips() -> Rows:
    rows = []
    for intent in INTENTS:
        path = _data(f"snips/validate_{intent}.json")
        for one in json.loads(path.read_text(encoding="utf-8"))[intent]:
            rows.append(("".join(piece["text"] for piece in one["data"]).strip(), intent))
    return rows


def _banking() -> Rows:
    with _data("banking77/train.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["text"].strip(), row["category"]) for row in csv.DictReader(file)]
    return [(text, label) for text, label in rows if label in BANKING and "\n" not in text]


def _data(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        raise MissingError(f"there is no {name} in the folder of the data sets")
    return path


def _choose(kind: str, labels: Sequence[str]) -> str:
    return f"Decide which {kind} this is: {', '.join(labels)}. Answer with that name only, without any other words."


LOCAL = {
    "local-order-number": _Task(
        lambda: _example_cases("order_number"), lambda: _example_system("order_number"), 14, 20
    ),
    "local-order-lines": _Task(
        lambda: _example_cases("order_lines"),
        lambda: _example_system("order_lines"),
        14,
        20,
        max_tokens=24,
        same=_same_json,
    ),
    "local-sentiment": _Task(_reviews, lambda: _example_system("sentiment"), 24, 40),
    "local-snips": _Task(_snips, lambda: _choose("intent of a voice command", INTENTS), 36, 60),
    "local-banking77": _Task(_banking, lambda: _choose("intent of a bank's customer", BANKING), 40, 60),
}
"""The tasks, each with its number of cases to learn from and of sealed ones."""
